//! Comparing what is said by its words alone, without case and punctuation.

/// The words of a text in lower case: letters and digits, with apostrophes left out.
///
/// ```
/// assert_eq!(tars::phrases::words("What's up, TARS?").collect::<Vec<_>>(), ["whats", "up", "tars"]);
/// ```
pub fn words(text: &str) -> impl Iterator<Item = String> {
    spans(text).map(|(_, word)| word)
}

/// The words of a text with one space between them.
#[must_use]
pub fn plain(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// What follows a phrase at the head of a text, as it is written there; nothing when the text begins
/// otherwise.
///
/// ```
/// use tars::phrases::after;
///
/// assert_eq!(after("Hey, TARS: what's new?", "hey tars"), Some("what's new?"));
/// assert_eq!(after("Hey Tarsus", "hey tars"), None);
/// ```
#[must_use]
pub fn after<'t>(text: &'t str, phrase: &str) -> Option<&'t str> {
    let mut rest = text;
    let mut spoken = spans(text);
    for expected in words(phrase) {
        let (end, word) = spoken.next()?;
        if word != expected {
            return None;
        }
        rest = &text[end..];
    }
    Some(rest.trim_start_matches(|c: char| !c.is_alphanumeric()))
}

/// What becomes of what the robot was saying when it was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Resume,
    /// It is given up.
    Cancel,
}

/// The verdict, if a text is nothing else.
///
/// ```
/// use tars::phrases::{Verdict, verdict};
///
/// assert_eq!(verdict("Go on, please."), Some(Verdict::Resume));
/// assert_eq!(verdict("Never mind!"), Some(Verdict::Cancel));
/// assert_eq!(verdict("go on holiday"), None);
/// ```
#[must_use]
pub fn verdict(text: &str) -> Option<Verdict> {
    match plain(text).trim_end_matches(" please") {
        "resume" | "continue" | "go on" | "carry on" => Some(Verdict::Resume),
        "cancel" | "stop" | "never mind" | "be quiet" | "quiet" | "enough" => Some(Verdict::Cancel),
        _ => None,
    }
}

/// Each word, and where it ends.
fn spans(text: &str) -> impl Iterator<Item = (usize, String)> {
    let is_apart = |c: char| !c.is_alphanumeric() && !is_apostrophe(c);
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let start = from + text[from..].find(|c| !is_apart(c))?;
            let end = text[start..].find(is_apart).map_or(text.len(), |length| start + length);
            from = end;
            let letters = text[start..end].chars().filter(|c| !is_apostrophe(*c));
            let word: String = letters.flat_map(char::to_lowercase).collect();
            if !word.is_empty() {
                return Some((end, word));
            }
        }
    })
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_however_it_is_written() {
        for text in ["hey tars", "Hey, TARS!", "  hey -- tars…", "“Hey Tars”"] {
            assert_eq!(after(text, "hey tars"), Some(""), "{text}");
        }
        assert_eq!(after("HEY TARS, say Hi.", "hey tars"), Some("say Hi."));
        assert_eq!(after("say: it's fine", "say"), Some("it's fine"));
    }

    #[test]
    fn a_phrase_is_found_only_at_the_head_and_in_whole_words() {
        for text in ["oh hey tars", "hey", "hey tarsier", "", "?!", "’"] {
            assert_eq!(after(text, "hey tars"), None, "{text}");
        }
    }

    #[test]
    fn words_are_compared_without_case_and_punctuation() {
        assert_eq!(plain("  Enter -- LIVE mode! "), "enter live mode");
        assert_eq!(plain("What’s THAT, 3½?"), "whats that 3½");
        assert_eq!(plain(" ’ '"), "");
    }
}
