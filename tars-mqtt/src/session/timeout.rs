//! What time demands.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use super::phase::Phase;
use crate::log::quoted;

/// A message that holds up the others for this long is named in a warning.
const STALL: Duration = Duration::from_secs(10);

/// A stream of the client that has not looked at a message for this long lets go of it, so that it
/// does not hold up the others.
const STREAM_PATIENCE: Duration = Duration::from_secs(10);

impl Session {
    /// Does what is due. Never too early and never too often: whoever drives the session may call it
    /// whenever something has happened.
    pub(crate) fn timeout(&mut self, now: Instant) {
        match self.phase {
            Phase::Connected => self.look_around(now),
            Phase::Over => {}
            Phase::Dialing | Phase::Pausing { .. } => {
                self.expire(now);
                self.give_up_offline(now);
                if let Phase::Pausing { until } = self.phase
                    && until <= now
                {
                    self.dial();
                }
            }
        }
    }

    /// When [`timeout`](Self::timeout) has something to do, if nothing else happens. May be in the
    /// past.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Over => None,
            Phase::Connected => Some(self.next_connected()),
            Phase::Dialing | Phase::Pausing { .. } => {
                let pause = match self.phase {
                    Phase::Pausing { until } => Some(until),
                    _ => None,
                };
                let stop = self.stop.as_ref().map(|stop| stop.deadline);
                [pause, stop, self.next_expiry()].into_iter().flatten().min()
            }
        }
    }

    fn next_connected(&self) -> Instant {
        let connection = &self.connection;
        let stop = self.stop.as_ref().map(|stop| {
            if stop.said_goodbye { stop.deadline } else { self.goodbye_at(stop.deadline) }
        });
        let stalled = self.inbox.stalled();
        let stall = stalled
            .as_ref()
            .filter(|stalled| connection.warned_of != Some(stalled.since))
            .map(|stalled| stalled.since + STALL);
        let streams = stalled
            .as_ref()
            .filter(|stalled| connection.let_go_of != Some(stalled.since))
            .map(|stalled| stalled.came + STREAM_PATIENCE);
        let sends_heartbeats = connection.is_healthy && self.stop.is_none();
        let others = [
            self.subscriptions.deadline(),
            self.subscriptions.settled_at(),
            self.targets.patience_ends(),
            self.outgoing.deadline(),
            self.own_requests.deadline().filter(|_| !self.quiesced),
            self.next_expiry(),
            stall,
            streams,
            stop,
        ];
        others.into_iter().flatten().fold(connection.vitals.next(sends_heartbeats), Instant::min)
    }

    /// Checks that the broker is alive, and does what is due while there is a connection.
    fn look_around(&mut self, now: Instant) {
        if let Some(reason) = self.connection.vitals.verdict(now) {
            self.connection.give_up(reason);
        }
        if self.subscriptions.deadline().is_some_and(|deadline| deadline <= now) {
            self.connection.give_up("the broker did not answer a subscription in time");
        }
        let convicted = self.subscriptions.convict(now);
        self.refused(convicted, now);
        if self.failed {
            self.connection.give_up("a subscription was refused");
        }
        if self.outgoing.is_clogged() {
            self.connection.give_up("the broker has not answered thousands of messages");
        }
        if self.connection.end.is_some() {
            return;
        }
        self.hand_over_own_requests(now);
        self.let_streams_go(now);
        self.warn_of_a_stall(now);
        self.expire(now);
    }

    /// A stream that nobody reads must not stop the acknowledgements of all handlers.
    fn let_streams_go(&mut self, now: Instant) {
        let Some(stalled) = self.inbox.stalled() else { return };
        if now.duration_since(stalled.came) < STREAM_PATIENCE
            || self.connection.let_go_of == Some(stalled.since)
        {
            return;
        }
        self.connection.let_go_of = Some(stalled.since);
        let Some(ticket) = stalled.ticket else { return };
        let streams = self.targets.let_go(stalled.topic, ticket);
        if let Some(filter) = streams.first()
            && let Some(suppressed) = self.unexpected.allow_at(now)
        {
            tracing::warn!(
                %filter,
                topic = &*quoted(stalled.topic),
                waiting = stalled.behind,
                suppressed,
                "a subscription is not read: its messages are acknowledged, so that they do not \
                 hold up others"
            );
        }
    }

    fn warn_of_a_stall(&mut self, now: Instant) {
        let Some(stalled) = self.inbox.stalled() else { return };
        if now.duration_since(stalled.since) < STALL
            || self.connection.warned_of == Some(stalled.since)
        {
            return;
        }
        self.connection.warned_of = Some(stalled.since);
        let handler = self.targets.busy(stalled.topic);
        tracing::warn!(
            handler,
            topic = &*quoted(stalled.topic),
            waiting = stalled.behind,
            "a message has been unacknowledged for {STALL:?} and holds up those behind it"
        );
    }
}
