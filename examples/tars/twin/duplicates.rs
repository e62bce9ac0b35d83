//! Messages that were handled not long ago.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

const TTL: Duration = Duration::from_secs(30);
const MAX_ENTRIES: usize = 2048;

/// The keys of what was handled, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    known: HashSet<String>,
    order: VecDeque<(Instant, String)>,
}

impl Duplicates {
    pub(crate) fn contains(&mut self, key: &str) -> bool {
        while let Some((since, _)) = self.order.front()
            && since.elapsed() > TTL
        {
            self.forget_oldest();
        }
        self.known.contains(key)
    }

    /// Only what was handled to the end is put here: what was not may come again.
    pub(crate) fn insert(&mut self, key: String) {
        if self.known.insert(key.clone()) {
            self.order.push_back((Instant::now(), key));
        }
        if self.order.len() > MAX_ENTRIES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_front() {
            self.known.remove(&key);
        }
    }
}
