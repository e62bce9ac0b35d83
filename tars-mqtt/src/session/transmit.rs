//! What goes out.

use tokio::time::Instant;

use super::connection::End;
use super::ending::Farewell;
use super::{ConnectionState, Session};
use crate::wire::PacketSink;

impl Session {
    /// How writing stands: whether something waits to be written, and how many bytes have been
    /// written on this connection.
    pub(crate) fn wrote(&mut self, now: Instant, has_unsent: bool, written: u64) {
        self.connection.vitals.wrote(now, has_unsent, written);
    }

    /// All that was transmitted has been written.
    pub(crate) fn flushed(&mut self) {
        self.outgoing.flushed();
    }

    /// Whether messages have come that are not acknowledged yet.
    pub(crate) fn has_unacknowledged(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Writes what is due, the most urgent first, until the sink is full. Call it after whatever
    /// has happened.
    pub(crate) fn transmit(&mut self, now: Instant, out: &mut impl PacketSink) {
        self.targets.flush(now);
        if self.connection.end.is_some() {
            return;
        }
        self.tell_of_health(now);
        self.write(now, out);
        if self.stop.is_some() {
            let mut farewell = self.farewell(now);
            if farewell == Farewell::Saying {
                self.write(now, out);
                farewell = self.farewell(now);
            }
            if farewell == Farewell::Said {
                self.leave(now, out);
                self.connection.end(End::Stopped);
            }
        } else if self.inbox.is_drained() {
            self.connection.end(End::Drained);
        }
    }

    fn write(&mut self, now: Instant, out: &mut impl PacketSink) {
        for answer in self.answers.drain(..) {
            out.send(answer);
        }
        if self.connection.vitals.ping_due(now) {
            self.outgoing.ping(out);
        }
        let subscribing = self.subscriptions.send(out, &mut self.ids, now);
        if !subscribing.is_empty() {
            self.copies.subscribing(subscribing.iter().map(String::as_str));
        }
        while out.has_room()
            && let Some((packet, done)) = self.external.pop_front()
        {
            self.send_external(packet, out);
            // Whoever sent it may not wait for that.
            let _ = done.send(Ok(()));
        }
        self.inbox.acknowledge(out, now);
        self.outgoing.send(out, &mut self.ids, &self.outbox, now);
    }

    fn tell_of_health(&mut self, now: Instant) {
        if self.stop.is_some() {
            return;
        }
        let is_well = self.others_are_connected();
        if self.connection.is_healthy && !is_well {
            self.connection.is_healthy = false;
            self.set_state(ConnectionState::Connecting);
            if let Some(entry) = self.health.other_lost() {
                self.outgoing.set_health(entry);
            }
        }
        if !self.connection.is_healthy && is_well && self.subscriptions.all_granted() {
            self.connection.is_healthy = true;
            self.healthy(now);
        } else if self.subscriptions.has_refused() && !self.connection.told_refusal {
            self.connection.told_refusal = true;
            if let Some(entry) = self.health.refusal() {
                self.outgoing.set_health(entry);
            }
        }
        if let Some(entry) = self.health.said() {
            self.outgoing.set_health(entry);
        }
        if self.connection.is_healthy
            && self.connection.vitals.heartbeat_due(now)
            && let Some(entry) = self.health.heartbeat()
        {
            self.outgoing.set_heartbeat(entry);
        }
    }

    fn healthy(&mut self, now: Instant) {
        self.connection.healthy_since = Some(now);
        if let Some(entry) = self.health.ready() {
            self.outgoing.set_health(entry);
        }
        self.set_state(ConnectionState::Connected);
        if let Some(started) = self.started.take() {
            // Whoever started the client may have given up waiting.
            let _ = started.send(Ok(()));
        }
    }
}
