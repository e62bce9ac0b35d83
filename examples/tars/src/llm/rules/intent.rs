//! What somebody wants who says something.

use super::arithmetic;
use crate::phrases::{after, words};

/// A kind of thing that people say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Greeting,
    /// How the robot is.
    Mood,
    /// Who the robot is, and what it can do.
    About,
    Joke,
    Thanks,
    Farewell,
    Time,
    /// The value of an expression.
    Calculate(String),
    /// A fact to be remembered, as it was said.
    Remember(String),
    /// A question that only the memory can answer.
    Recall,
    Unknown,
}

const GREETINGS: [&str; 6] =
    ["hello", "hi", "hey", "good morning", "good evening", "good afternoon"];
const MOODS: [&str; 3] = ["how are you", "how do you do", "how do you feel"];
const ABOUT: [&str; 7] = [
    "who are you",
    "what are you",
    "what is your name",
    "what can you do",
    "tell me about yourself",
    "introduce yourself",
    "how do you work",
];
const TIMES: [&str; 6] = [
    "what time",
    "what is the time",
    "what day is",
    "what is the date",
    "what date",
    "tell me the time",
];
/// The longer ones first.
const REMEMBER: [&str; 4] =
    ["please remember that", "please remember", "remember that", "remember"];
const QUESTIONS: [&str; 11] =
    ["what", "who", "where", "when", "which", "whose", "how", "do you", "did i", "do i", "tell me"];

impl Intent {
    pub(super) fn of(text: &str) -> Self {
        let text = &spelled_out(text);
        let begins = |phrases: &[&str]| phrases.iter().any(|phrase| after(text, phrase).is_some());
        if let Some(fact) = fact(text) {
            Self::Remember(fact)
        } else if let Some(expression) = arithmetic::expression(text) {
            Self::Calculate(expression)
        } else if begins(&TIMES) {
            Self::Time
        } else if begins(&ABOUT) {
            Self::About
        } else if begins(&MOODS) {
            Self::Mood
        } else if words(text).any(|word| word == "joke") {
            Self::Joke
        } else if begins(&["thank you", "thanks"]) {
            Self::Thanks
        } else if begins(&["bye", "goodbye", "good night", "see you"]) {
            Self::Farewell
        } else if begins(&QUESTIONS) || text.ends_with('?') {
            Self::Recall
        } else if begins(&GREETINGS) {
            Self::Greeting
        } else {
            Self::Unknown
        }
    }
}

/// Without the short forms of questions.
fn spelled_out(text: &str) -> String {
    let mut text = text.trim().replace('’', "'");
    for word in ["What", "what", "Who", "who", "Where", "where"] {
        text = text.replace(&format!("{word}'s "), &format!("{word} is "));
    }
    text
}

/// What is to be remembered, as it was said.
fn fact(text: &str) -> Option<String> {
    let fact = REMEMBER.iter().find_map(|phrase| after(text, phrase))?;
    let fact = fact.trim_end_matches(['.', '!', ' ']);
    (!fact.is_empty() && !fact.ends_with('?')).then(|| fact.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_wanted_as_people_mean_it() {
        let remember = |fact: &str| Intent::Remember(fact.to_owned());
        for (text, intent) in [
            ("Hello!", Intent::Greeting),
            ("hi there", Intent::Greeting),
            ("How are you?", Intent::Mood),
            ("Who are you?", Intent::About),
            ("What’s your name", Intent::About),
            ("Tell me a joke.", Intent::Joke),
            ("Thanks!", Intent::Thanks),
            ("Good night.", Intent::Farewell),
            ("What time is it?", Intent::Time),
            ("What's the date today?", Intent::Time),
            ("What is 6 times 7?", Intent::Calculate("6 * 7".into())),
            ("Remember that my cat is called Tom.", remember("my cat is called Tom")),
            ("please remember I live in Bonn", remember("I live in Bonn")),
            ("What is my cat called?", Intent::Recall),
            ("where do I live", Intent::Recall),
            ("Do you remember my cat?", Intent::Recall),
            ("Remember me?", Intent::Recall),
            ("history", Intent::Unknown),
            ("Remember", Intent::Unknown),
            ("", Intent::Unknown),
        ] {
            assert_eq!(Intent::of(text), intent, "{text}");
        }
    }
}
