use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::bail;
use tokio::sync::Notify;

use crate::measure::{Figures, Span};

/// How long nothing may happen before messages count as lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// Counts handled messages, and measures from the first to the last.
#[derive(Debug)]
pub struct Progress {
    expected: AtomicU64,
    handled: AtomicU64,
    measured: Mutex<Measured>,
    ended: Notify,
}

#[derive(Debug)]
struct Measured {
    span: Option<Span>,
    figures: Figures,
}

impl Progress {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            expected: AtomicU64::new(u64::MAX),
            handled: AtomicU64::new(0),
            measured: Mutex::new(Measured { span: None, figures: Figures::new() }),
            ended: Notify::const_new(),
        }
    }

    /// So many will come from now on.
    pub fn expect(&self, messages: u64) {
        self.expected.store(messages, Ordering::Relaxed);
        self.handled.store(0, Ordering::Relaxed);
    }

    /// One more has been handled.
    pub fn handled(&self) {
        let handled = self.handled.fetch_add(1, Ordering::Relaxed) + 1;
        if handled == 1 {
            self.measured().span = Some(Span::begin());
        }
        if handled == self.expected.load(Ordering::Relaxed) {
            let mut measured = self.measured();
            measured.figures = measured.span.map(|span| span.end(handled)).unwrap_or_default();
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
        Ok(self.measured().figures.clone())
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}
