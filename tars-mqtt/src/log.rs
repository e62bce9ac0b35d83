//! What a peer can put into the log is bounded here: how many lines, and how much of its own words.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines let through in one window.
const BURST: u32 = 10;

/// How long a window lasts.
const WINDOW: Duration = Duration::from_secs(10);

/// Characters of a peer's text that a line shows.
const QUOTED: usize = 200;

/// Text from outside, as a log line or an error message shows it: on one line, without characters
/// that a terminal obeys or that change the order in which text is read, and cut after 200 of them.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    // Most text is short and plain.
    if text.len() <= QUOTED && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(QUOTED) {
        // Quotation marks do no harm inside a line.
        if matches!(character, '"' | '\'' | '\\') {
            shown.push(character);
        } else {
            shown.extend(character.escape_debug());
        }
    }
    let left = characters.as_str().len();
    if left > 0 {
        // Writing into a text never fails.
        let _ = write!(shown, "… ({left} more bytes)");
    }
    Cow::Owned(shown)
}

/// Keeps a flood of the same trouble from flooding the log: ten lines in ten seconds.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(Mutex<Window>);

#[derive(Debug, Default)]
struct Window {
    started: Option<Instant>,
    logged: u32,
    suppressed: u64,
}

impl LogLimit {
    /// Whether a line may be logged, and how many were left out since the last one that was.
    pub(crate) fn allow(&self) -> Option<u64> {
        self.allow_at(Instant::now())
    }

    /// The same, where the time is known.
    pub(crate) fn allow_at(&self, now: Instant) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.started.is_none_or(|started| now.duration_since(started) >= WINDOW) {
            window.started = Some(now);
            window.logged = 0;
        }
        if window.logged >= BURST {
            window.suppressed += 1;
            return None;
        }
        window.logged += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_stays_on_its_line_and_is_cut() {
        let shown = quoted("a\nb\r\u{202e}c\u{1b}[31m \"d\" ü").to_string();
        assert_eq!(shown, "a\\nb\\r\\u{202e}c\\u{1b}[31m \"d\" ü");
        let long = quoted(&"x".repeat(70_000)).to_string();
        assert_eq!(long, format!("{}… (69800 more bytes)", "x".repeat(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn ten_lines_pass_in_ten_seconds_and_the_rest_is_counted() {
        let limit = LogLimit::default();
        let passed = (0..25).filter(|_| limit.allow() == Some(0)).count();
        assert_eq!(passed, 10);
        tokio::time::advance(WINDOW).await;
        assert_eq!(limit.allow(), Some(15));
        assert_eq!(limit.allow(), Some(0));
    }
}
