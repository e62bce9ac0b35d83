//! What is answered without a language model.

use crate::phrases::{after, plain};

/// An answer, and the style to speak it in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) style: &'static str,
}

const ASKS_FOR_THE_TIME: [&str; 5] = [
    "what time is it",
    "whats the time",
    "what is the time",
    "tell me the time",
    "do you have the time",
];

const GREETINGS: [&str; 7] =
    ["hello", "hi", "hey", "greetings", "good morning", "good afternoon", "good evening"];

const GREETED: [&str; 5] = ["", "there", "tars", "robot", "again"];

/// Answers what a rule knows. `time` is the time of day.
pub(super) fn answer(text: &str, time: impl FnOnce() -> String) -> Option<Answer> {
    if let Some(said) = after(text, "say").filter(|said| !said.is_empty()) {
        return Some(Answer { text: said.to_owned(), style: "neutral" });
    }
    let plain = plain(text);
    let asked = plain.trim_end_matches(" now").trim_end_matches(" please");
    if ASKS_FOR_THE_TIME.contains(&asked) {
        return Some(Answer { text: format!("It is {}.", time()), style: "neutral" });
    }
    let greets = |greeting| {
        let whom = plain.strip_prefix(greeting).map(str::trim);
        whom.is_some_and(|whom| GREETED.contains(&whom))
    };
    GREETINGS
        .into_iter()
        .any(greets)
        .then(|| Answer { text: "Hello! How can I help?".to_owned(), style: "friendly" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(text: &str) -> Option<String> {
        answer(text, || "10:30".to_owned()).map(|answer| answer.text)
    }

    #[test]
    fn the_time_is_told() {
        for text in ["What time is it?", "what's the time please", "Tell me the time now!"] {
            assert_eq!(answered(text).as_deref(), Some("It is 10:30."), "{text}");
        }
    }

    #[test]
    fn what_is_to_be_said_is_said_as_it_is_written() {
        assert_eq!(answered("Say: Good morning, Dave!").as_deref(), Some("Good morning, Dave!"));
    }

    #[test]
    fn a_greeting_is_greeted() {
        for text in ["hello there", "Hi, TARS!", "good morning", "Hello again."] {
            let answer = answer(text, String::new).unwrap();
            assert_eq!(
                (answer.text.as_str(), answer.style),
                ("Hello! How can I help?", "friendly")
            );
        }
    }

    #[test]
    fn everything_else_is_left_to_the_model() {
        for text in [
            "say",
            "sayings of the day",
            "hello what is the weather like",
            "history of the robot",
            "what time is it in Paris",
            "",
        ] {
            assert_eq!(answered(text), None, "{text}");
        }
    }
}
