//! The end of the session.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{ConnectionState, Session};
use crate::error::{Error, Result};
use crate::wire::{Packet, PacketSink, Reason};

/// Of the time for a shutdown, what is kept for the goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// A shutdown that was asked for.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) deadline: Instant,
    pub(super) done: Vec<oneshot::Sender<Result<()>>>,
    pub(super) said_goodbye: bool,
}

/// How far the goodbye has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// It is not time.
    NotYet,
    /// The service has said that it shuts down, which is to be written and acknowledged.
    Saying,
    /// It is time to leave.
    Said,
}

impl Session {
    pub(super) fn goodbye_at(&self, deadline: Instant) -> Instant {
        let reserve = GOODBYE.min(self.config.shutdown_limit() / 5);
        deadline.checked_sub(reserve).unwrap_or(deadline)
    }

    /// How long the goodbye may take to be written.
    pub(crate) fn goodbye_limit(&self, now: Instant) -> Duration {
        let deadline = self.stop.as_ref().map(|stop| stop.deadline);
        deadline.map_or(GOODBYE, |deadline| deadline.saturating_duration_since(now).min(GOODBYE))
    }

    /// Whether all has been sent and said, or there is no time left for it.
    pub(super) fn farewell(&mut self, now: Instant) -> Farewell {
        let Some(stop) = &self.stop else { return Farewell::NotYet };
        let (deadline, said_goodbye) = (stop.deadline, stop.said_goodbye);
        let all_sent = self.unfinished() == 0 && !self.outgoing.status_is_pending();
        if said_goodbye {
            let is_over = all_sent || now >= deadline;
            return if is_over { Farewell::Said } else { Farewell::NotYet };
        }
        if !all_sent && now < self.goodbye_at(deadline) {
            return Farewell::NotYet;
        }
        if let Some(stop) = &mut self.stop {
            stop.said_goodbye = true;
        }
        match self.health.shutdown() {
            Some(entry) => {
                self.outgoing.set_last_health(entry);
                Farewell::Saying
            }
            None => Farewell::Said,
        }
    }

    /// Says goodbye. Where the broker has not taken the last word on health, it is left unsaid, so
    /// that the last will tells of the end.
    pub(super) fn leave(&mut self, now: Instant, out: &mut impl PacketSink) {
        self.inbox.acknowledge(out, now);
        if !self.config.is_clean_session() {
            // Else the broker would go on collecting for subscriptions that end with this process.
            for filters in self.subscriptions.ephemeral() {
                if let Some(id) = self.ids.take() {
                    out.send(Packet::Unsubscribe { id, filters });
                }
            }
        }
        if !self.outgoing.status_is_pending() {
            out.send(Packet::Disconnect(Reason::SUCCESS));
        }
    }

    /// What waited for room goes nowhere.
    pub(super) fn answer_external(&mut self) {
        for (_, done) in self.external.drain(..) {
            // Whoever sent it may not wait for that.
            let _ = done.send(Ok(()));
        }
    }

    /// Nothing goes out or comes in any more: all who wait are told. `in_order` is not so where
    /// whoever drives the session was cut off. `late` are those who have asked for a shutdown
    /// meanwhile.
    pub(crate) fn end(&mut self, in_order: bool, late: Vec<oneshot::Sender<Result<()>>>) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.outbox.set_link(false);
        let unsent = self.outbox.close();
        let left = in_order.then(|| self.outgoing.unfinished() + unsent.len());
        for entry in unsent {
            if let Some(receipt) = entry.receipt {
                // Whoever published may not be interested.
                let _ = receipt.send(Err(Error::Stopped));
            }
        }
        self.outgoing.abandon();
        self.subscriptions.abandon();
        self.answer_external();
        self.targets.close();
        if let Some(messages) = left.filter(|&left| left > 0) {
            tracing::warn!(messages, "messages were left unsent");
        }
        self.set_state(ConnectionState::Stopped);
        let waiting = self.stop.take().map(|stop| stop.done).unwrap_or_default();
        for done in waiting.into_iter().chain(late) {
            // Whoever asked may have given up.
            let _ = done.send(match left {
                Some(0) => Ok(()),
                Some(_) => Err(Error::Timeout(self.config.shutdown_limit())),
                None => Err(Error::Stopped),
            });
        }
    }
}
