//! Arithmetic in words: "12 times 7" is `12 * 7`.

/// What may stand before an expression.
const LEADS: [&str; 6] =
    ["what is ", "how much is ", "calculate ", "compute ", "please calculate ", "tell me "];

const WORDS: [(&str, &str); 21] = [
    ("plus", "+"),
    ("minus", "-"),
    ("times", "*"),
    ("x", "*"),
    ("over", "/"),
    ("squared", "^2"),
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("twenty", "20"),
    ("hundred", "100"),
];

/// The expression in a text, if it is one and has something to calculate.
pub(super) fn expression(text: &str) -> Option<String> {
    let text = text.to_lowercase();
    let text = text.trim_end_matches(['?', '.', '!', '=', ' ']);
    let text = LEADS.iter().find_map(|lead| text.strip_prefix(lead)).unwrap_or(text);
    let text = text.replace("multiplied by", "times").replace("divided by", "over");
    let text = text.replace('×', "*").replace('÷', "/");
    let words = text.split_whitespace().map(|word| {
        let known = WORDS.iter().find(|(said, _)| *said == word);
        known.map_or(word, |(_, written)| written)
    });
    let expression = words.collect::<Vec<_>>().join(" ");
    let is_arithmetic = expression.chars().all(|char| {
        char.is_ascii_digit() || matches!(char, ' ' | '+' | '-' | '*' | '/' | '^' | '.' | '(' | ')')
    });
    let has_digits = expression.contains(|char: char| char.is_ascii_digit());
    let has_operator = expression.trim_start_matches('-').contains(['+', '-', '*', '/', '^']);
    (is_arithmetic && has_digits && has_operator).then_some(expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_in_words_or_signs_are_expressions() {
        for (text, expected) in [
            ("What is 12 times 7?", "12 * 7"),
            ("how much is two plus two", "2 + 2"),
            ("calculate (3 + 4) * 2", "(3 + 4) * 2"),
            ("100 divided by 8", "100 / 8"),
            ("what is 5 squared", "5 ^2"),
            ("3.5 × 2", "3.5 * 2"),
        ] {
            assert_eq!(expression(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in ["what is my cat called", "", "42", "-", "what is 2", "two cats plus a dog"] {
            assert_eq!(expression(text), None, "{text}");
        }
    }
}
