//! Answers from what is remembered.

use super::intent::Intent;
use super::person::turned;
use crate::llm::conversation::Memory;
use crate::phrases::words;

/// How the robot confirms what it is told to remember.
const CONFIRMATION: &str = "I will remember that ";

/// Words that say nothing about what a question is after.
const EMPTY: [&str; 43] = [
    "what", "whats", "who", "where", "when", "which", "whose", "how", "is", "are", "was", "were",
    "am", "do", "does", "did", "you", "i", "me", "my", "your", "the", "a", "an", "of", "in", "on",
    "to", "that", "remember", "know", "tell", "about", "called", "name", "names", "named", "have",
    "has", "can", "it", "there", "again",
];

/// The answer to a question.
pub(super) fn answer(question: &str, memories: Option<&[Memory]>) -> String {
    let Some(memories) = memories else {
        return "My memory does not answer right now. Please ask me again later.".to_owned();
    };
    let keys = keys(question);
    let facts = memories.iter().filter_map(fact);
    let mut fitting = facts.filter(|fact| {
        let known = self::keys(fact);
        !keys.is_empty() && keys.iter().all(|key| known.contains(key))
    });
    match fitting.next() {
        Some(fact) => format!("You told me that {fact}."),
        None => "I do not know that yet. Tell me to remember it, and I will.".to_owned(),
    }
}

/// The fact in what was said, as the robot would say it; nothing if it is none.
fn fact(memory: &Memory) -> Option<String> {
    let text = memory.text.trim().trim_end_matches('.');
    if memory.own {
        return text.strip_prefix(CONFIRMATION).map(str::to_owned);
    }
    match Intent::of(&memory.text) {
        Intent::Remember(fact) => Some(turned(&fact)),
        Intent::Unknown if !text.is_empty() => Some(turned(text)),
        _ => None,
    }
}

/// The words that a text is about, in the singular.
fn keys(text: &str) -> Vec<String> {
    let words = words(text).filter(|word| !EMPTY.contains(&&**word));
    words.map(|word| word.strip_suffix('s').unwrap_or(&word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(question: &str, said: &[(bool, &str)]) -> String {
        let memory = |(own, text): &(bool, &str)| Memory { own: *own, text: (*text).to_owned() };
        answer(question, Some(&said.iter().map(memory).collect::<Vec<_>>()))
    }

    #[test]
    fn a_fact_is_told_back_whoever_said_it() {
        let asked = (false, "what is my cat called?");
        let told = (false, "Remember that my cat is called Tom.");
        let confirmed = (true, "I will remember that your cat is called Tom.");
        let tom = "You told me that your cat is called Tom.";
        assert_eq!(answers("What is my cat called?", &[asked, told]), tom);
        assert_eq!(answers("What is my cat called?", &[asked, confirmed]), tom);
        assert_eq!(answers("what's my cat's name", &[(false, "my cat is called Tom")]), tom);
        let home = answers("Where do I live?", &[(false, "I live in Bonn")]);
        assert_eq!(home, "You told me that you live in Bonn.");
    }

    #[test]
    fn what_is_about_something_else_is_no_answer() {
        let unknown = "I do not know that yet. Tell me to remember it, and I will.";
        for (question, said) in [
            ("What is my dog called?", (false, "my cat is called Tom")),
            ("What is my cat called?", (false, "What is my cat called?")),
            ("What is my cat called?", (true, "You told me that your cat is called Tom.")),
            ("What is it?", (false, "my cat is called Tom")),
        ] {
            assert_eq!(answers(question, &[said]), unknown, "{question}");
        }
        assert_eq!(answers("What is my cat called?", &[]), unknown);
        let silent = answer("What is my cat called?", None);
        assert_eq!(silent, "My memory does not answer right now. Please ask me again later.");
    }
}
