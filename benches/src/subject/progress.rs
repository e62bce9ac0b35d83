use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::Notify;

use crate::measure::{Figures, Span};

/// How long nothing may happen before messages count as lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// Counts handled messages, and measures from the first to the last.
#[derive(Debug, Default)]
pub struct Progress {
    expected: OnceLock<u64>,
    handled: AtomicU64,
    span: OnceLock<Span>,
    figures: Mutex<Option<Figures>>,
    ended: Notify,
}

impl Progress {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            expected: OnceLock::new(),
            handled: AtomicU64::new(0),
            span: OnceLock::new(),
            figures: Mutex::new(None),
            ended: Notify::const_new(),
        }
    }

    /// So many will come.
    pub fn expect(&self, messages: u64) {
        let _ = self.expected.set(messages);
    }

    /// One more has been handled.
    pub fn handled(&self) {
        let handled = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if handled == 1 {
            let _ = self.span.set(Span::begin());
        }
        if Some(&handled) == self.expected.get()
            && let Some(span) = self.span.get()
        {
            *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = Some(span.end(handled));
            self.ended.notify_one();
        }
    }

    /// Waits for the last one.
    pub async fn ended(&self) -> anyhow::Result<Figures> {
        let mut before = 0;
        while tokio::time::timeout(PATIENCE, self.ended.notified()).await.is_err() {
            let handled = self.handled.load(Ordering::Relaxed);
            if handled == before && handled > 0 {
                bail!("{handled} of {:?} messages were handled", self.expected);
            }
            before = handled;
        }
        let figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(figures.unwrap_or_default())
    }
}
