//! Text of others, as people may be shown it: in a terminal, and in the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How much of a text is shown.
const LONGEST: usize = 4000;

/// How much of it is quoted in the log.
const QUOTED: usize = 200;

/// Lines of one kind that are logged within [`WINDOW`].
const LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(10);

/// A text on one line, without characters that a terminal obeys or that change the order in which it
/// is read. What is too much of it is left out.
///
/// ```
/// assert_eq!(tars::shown::shown("one\ntwo \u{1b}]0;title\u{7}"), "one two �]0;title�");
/// ```
#[must_use]
pub fn shown(text: &str) -> String {
    cut(text, LONGEST)
}

/// As [`shown`], and so much of it as a line of the log has room for.
#[must_use]
pub fn quoted(text: &str) -> String {
    cut(text, QUOTED)
}

/// The beginning of a text, of so many bytes at most.
///
/// ```
/// assert_eq!(tars::shown::beginning("aé", 2), "a");
/// ```
#[must_use]
pub fn beginning(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn cut(text: &str, longest: usize) -> String {
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(longest).map(harmless).collect();
    if !characters.as_str().is_empty() {
        shown.push('…');
    }
    shown
}

fn harmless(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        // Marks that turn the order of writing round, and characters that nobody sees.
        '\u{61c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Keeps others from filling the log: ten lines in ten seconds.
#[derive(Debug)]
pub struct LogLimit(Mutex<Option<(Instant, u32)>>);

impl LogLimit {
    /// None has been logged yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether another line may be logged.
    pub fn allows(&self) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (begun, lines) = window.get_or_insert_with(|| (Instant::now(), 0));
        if begun.elapsed() >= WINDOW {
            (*begun, *lines) = (Instant::now(), 0);
        }
        *lines = lines.saturating_add(1);
        *lines <= LINES
    }
}

impl Default for LogLimit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shown_moves_a_cursor_sets_a_title_or_turns_text_round() {
        let tricks = [
            "\u{1b}]52;c;ZXZpbA==\u{7}",
            "\u{1b}]0;title\u{1b}\\",
            "\u{9b}2J\u{8}\u{7f}",
            "one\r\ntwo\u{85}\u{2028}three",
            "\u{202e}live\u{2066}\u{200f}\u{e0041}",
        ];
        for trick in tricks {
            let shown = shown(trick);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert!(
                !shown.contains(['\u{202e}', '\u{2066}', '\u{200f}', '\u{e0041}']),
                "{shown:?}"
            );
        }
        let kept = "Grüße, שלום, 👩\u{200d}🚀 – \"ok\"";
        assert_eq!(shown(kept), kept);
    }

    #[test]
    fn no_more_is_shown_than_there_is_room_for() {
        assert_eq!(shown(&"é".repeat(5000)).chars().count(), LONGEST + 1);
        assert_eq!(quoted(&"é".repeat(5000)).chars().count(), QUOTED + 1);
    }

    #[test]
    fn a_flood_of_lines_is_cut_off() {
        let limit = LogLimit::new();
        assert_eq!((0..100).filter(|_| limit.allows()).count(), 10);
    }
}
