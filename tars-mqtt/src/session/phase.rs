//! From one connection to the next.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, End};
use super::{ConnectionState, Session};
use crate::delivery::Entry;
use crate::error::{Error, Refusal};
use crate::log::quoted;

/// A connection that ends by the broker's hand within this time counts as thrown out.
const SHORT_LIFE: Duration = Duration::from_secs(60);

/// After a connection that was good for this long, the next pause is a short one. Two clients that
/// throw each other out must not do so at the shortest pause.
const GOOD: Duration = Duration::from_secs(10);

/// Thrown out as often as this in a row, something is wrong.
const THROWN_OUT: u32 = 3;

/// How far the session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A connection is being made.
    Dialing,
    Connected,
    /// The next connection is made after a pause.
    Pausing {
        until: Instant,
    },
    /// There will be no other connection.
    Over,
}

/// What is to be done for the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Make a connection.
    Dial,
    /// Nothing, until the next timeout.
    Pause,
    /// Read, write, and keep the connection.
    Serve,
    /// Drop the connection; what was not written is lost.
    Close,
    /// Write out what waits, and end the connection in order.
    SayGoodbye,
    /// Nothing more, ever.
    Stop,
}

/// Why no connection came about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ConnectFailure {
    /// The broker answered, and does not want this client.
    Refused(Refusal),
    /// The broker was not reached, or speaks something else.
    Unreachable,
    /// The broker ended the connection without an answer.
    Unanswered,
}

impl Session {
    /// What is to be done now.
    pub(crate) fn wants(&self) -> Wants {
        match self.phase {
            Phase::Dialing => Wants::Dial,
            Phase::Pausing { .. } => Wants::Pause,
            Phase::Over => Wants::Stop,
            Phase::Connected => match &self.connection.end {
                None => Wants::Serve,
                Some(End::Stopped) => Wants::SayGoodbye,
                Some(End::Lost { .. } | End::Drained) => Wants::Close,
            },
        }
    }

    /// A connection is up, with a broker that has kept the session of an earlier one or not.
    pub(crate) fn connected(&mut self, now: Instant, session_present: bool) {
        if !session_present {
            self.outgoing.session_lost(&mut self.ids);
            self.inbox.session_lost();
            self.subscriptions.session_lost();
        } else if self.config.subscribes_always() {
            self.subscriptions.ask_again();
        }
        if session_present {
            // An earlier process may have left identifiers in use that this one knows nothing of.
            self.ids.begin_anywhere();
        }
        self.outgoing.connected(session_present, now);
        self.subscriptions.connected(now);
        self.connection = Connection::new(&self.config, now);
        self.phase = Phase::Connected;
        tracing::info!(broker = %self.config.url(), session_present, "connected");
        self.outbox.set_link(true);
    }

    /// The connection is gone.
    pub(crate) fn disconnected(&mut self, now: Instant, reason: impl Into<String>) {
        if self.phase != Phase::Connected {
            return;
        }
        self.connection.end(End::Lost { reason: reason.into(), by_broker: true });
        // What came before the end is handled all the same.
        self.targets.flush(now);
        self.outbox.set_link(false);
        let Connection { since, healthy_since, end, .. } = &mut self.connection;
        let (since, healthy_since, end) = (*since, *healthy_since, end.take());
        let by_broker = matches!(end, Some(End::Lost { by_broker: true, .. }));
        let closed_at_once = by_broker && now.duration_since(since) < SHORT_LIFE;
        if let Some(entry) = self.outgoing.connection_lost(&mut self.ids, closed_at_once, now) {
            not_accepted(entry);
        }
        self.answers.clear();
        self.inbox.connection_lost();
        self.subscriptions.connection_lost(&mut self.ids, closed_at_once, now);
        self.copies.connection_lost();
        self.health.connection_lost();
        self.answer_external();
        if healthy_since.is_some_and(|since| now.duration_since(since) >= GOOD) {
            self.backoff.reset();
        }
        match end {
            Some(End::Stopped) => self.phase = Phase::Over,
            Some(End::Drained) => self.dial(),
            Some(End::Lost { reason, .. }) => {
                tracing::warn!("the connection is lost: {}", quoted(&reason));
                self.look_for_the_cause(closed_at_once);
                self.pause(now);
            }
            None => self.pause(now),
        }
        if self.failed {
            self.phase = Phase::Over;
        }
        self.give_up_offline(now);
    }

    /// No connection came about.
    pub(crate) fn connect_failed(&mut self, now: Instant, failure: ConnectFailure) {
        match failure {
            ConnectFailure::Refused(refusal) => {
                if let Some(started) = self.started.take() {
                    // Whoever started the client may have given up waiting.
                    let _ = started.send(Err(Error::Refused(refusal)));
                    self.phase = Phase::Over;
                    return;
                }
            }
            // Where the broker is gone, nobody throws anybody out. (Some make a client wait that
            // throws another out, and forget it when that one comes back.)
            ConnectFailure::Unreachable => self.thrown_out = 0,
            ConnectFailure::Unanswered => {}
        }
        self.pause(now);
    }

    fn pause(&mut self, now: Instant) {
        self.set_state(ConnectionState::Disconnected);
        let pause = self.backoff.next();
        tracing::info!("connecting again in {pause:?}");
        self.phase = Phase::Pausing { until: now + pause };
    }

    pub(super) fn dial(&mut self) {
        self.set_state(ConnectionState::Connecting);
        self.phase = Phase::Dialing;
    }

    /// Stops without a connection, if there is nothing to wait for or no time left.
    pub(super) fn give_up_offline(&mut self, now: Instant) {
        if let Some(stop) = &self.stop
            && (self.unfinished() == 0 || stop.deadline <= now)
        {
            self.phase = Phase::Over;
        }
    }

    /// A broker that throws this client out again and again most likely has another client of the
    /// same id, which it takes for this one (MQTT-3.1.4-2), or is sent what it does not take: MQTT
    /// 3.1.1 has no other answer to that.
    fn look_for_the_cause(&mut self, thrown_out: bool) {
        if !thrown_out {
            self.thrown_out = 0;
            return;
        }
        self.thrown_out += 1;
        let suspect = self.outgoing.suspect().filter(|entry| entry.closes >= THROWN_OUT);
        if self.thrown_out != THROWN_OUT && !self.thrown_out.is_multiple_of(10 * THROWN_OUT) {
            return;
        }
        if let Some(Entry { publish, .. }) = suspect {
            tracing::error!(
                client_id = self.config.client_id(),
                times = self.thrown_out,
                topic = &*quoted(publish.topic()),
                qos = publish.qos().level(),
                "the broker closed one connection after the other, each time with this message as \
                 the first that it had not acknowledged: most likely it does not take the message \
                 (its topic, its quality of service, its size, or it does not permit it); the \
                 message is set aside, tried alone, and given up after \
                 MQTT_MAX_PUBLISH_ATTEMPTS closed connections"
            );
        } else {
            tracing::error!(
                client_id = self.config.client_id(),
                times = self.thrown_out,
                "the broker closed one connection after the other soon after it had accepted them: \
                 most likely another client uses the same client id, and the two throw each other \
                 out in turn; give each its own MQTT_CLIENT_ID"
            );
        }
    }
}

/// A message is given up because the broker closes the connection whenever it is sent.
fn not_accepted(entry: Entry) {
    let (topic, closes) = (entry.publish.topic().to_owned(), entry.closes);
    tracing::error!(
        topic = &*quoted(&topic),
        qos = entry.publish.qos().level(),
        closes,
        "a message is given up: the broker closes the connection whenever it is sent"
    );
    entry.failed(Error::NotAccepted { topic, closes });
}
