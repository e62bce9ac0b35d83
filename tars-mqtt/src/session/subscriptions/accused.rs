//! Filters that the broker may be closing connections for, which is the only answer that some have to
//! a filter that they do not permit.

use std::time::Duration;

use tokio::time::Instant;

use super::Subscriptions;
use super::filter::{Answer, Filter};

/// A filter that is asked for alone, and answered by closing the connection this often, is suspected of
/// being refused.
const CLOSES: u32 = 3;

/// A connection without it that lasts this long shows that it was the filter, and not the connection.
pub(super) const SETTLED: Duration = Duration::from_secs(2);

/// After how long a filter that was refused is asked for again on the same connection, at first and at
/// the most. A permission may have been given since; and where the connection was closed, that may have
/// been for something else that went on at the same time.
pub(super) const FIRST: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);

impl Subscriptions {
    /// The broker closed the connection when only this one was unanswered.
    pub(super) fn suspect(&mut self, text: String) {
        let Some(filter) = self.filters.get_mut(&text) else { return };
        filter.closes += 1;
        if filter.closes >= CLOSES {
            filter.closes = 0;
            self.suspects.insert(text);
        }
    }

    /// A connection begins, without those that are suspected.
    pub(in crate::session) fn connected(&mut self, now: Instant) {
        self.settled_at = (!self.suspects.is_empty()).then(|| now + SETTLED);
    }

    /// When something is due with those that are suspected, or were.
    pub(in crate::session) fn settled_at(&self) -> Option<Instant> {
        self.settled_at.into_iter().chain(self.retry_at).min()
    }

    /// The broker has refused a filter, or seems to.
    pub(super) fn refuse(
        &mut self,
        text: String,
        closes_connection: bool,
        answer: &mut Answer,
        now: Instant,
    ) {
        let Some(filter) = self.filters.get_mut(&text) else { return };
        filter.refused(&text, answer);
        if filter.wanted_by.is_empty() {
            if filter.asked {
                // The broker may have granted it before, and its answer was lost.
                self.unwanted.add(text.clone());
            }
            self.forget(&text);
            return;
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(filter.refusals)).min(LONGEST);
        let retry_at = now + pause;
        filter.retry_at = Some(retry_at);
        self.retry_at = Some(self.retry_at.map_or(retry_at, |earlier| earlier.min(retry_at)));
        filter.closes_connection = closes_connection;
        filter.refusals += 1;
        self.refused.insert(text);
    }

    /// Those that were suspected count as refused, once the connection has lasted without them. Those
    /// that were refused long enough ago are asked for again.
    pub(in crate::session) fn convict(&mut self, now: Instant) -> Answer {
        let mut answer = Answer::default();
        if self.settled_at.is_some_and(|at| at <= now) {
            self.settled_at = None;
            for text in std::mem::take(&mut self.suspects) {
                self.refuse(text, true, &mut answer, now);
            }
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry(|filter| filter.retry_at.is_some_and(|at| at <= now));
        }
        answer
    }

    /// Another connection is to be made, on which those that were refused are asked for at once, unless
    /// the broker seems to close connections for them.
    pub(super) fn retry_on_next(&mut self, now: Instant) {
        self.retry(|filter| !filter.closes_connection || filter.retry_at <= Some(now));
    }

    fn retry(&mut self, is_due: impl Fn(&Filter) -> bool) {
        self.retry_at = None;
        for text in std::mem::take(&mut self.refused) {
            match self.filters.get_mut(&text) {
                Some(filter) if is_due(filter) => {
                    filter.retry_at = None;
                    self.enqueue(&text);
                }
                Some(filter) => {
                    self.retry_at = self.retry_at.into_iter().chain(filter.retry_at).min();
                    self.refused.insert(text);
                }
                None => {}
            }
        }
    }
}
