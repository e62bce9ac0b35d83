use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines let through in one window.
const BURST: u32 = 10;

/// How long a window lasts.
const WINDOW: Duration = Duration::from_secs(10);

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
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
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
