use tokio::time::Instant;

use super::window::MAX_IN_FLIGHT;
use super::{InFlight, Outgoing};
use crate::delivery::{Entry, Outbox};
use crate::qos::QoS;
use crate::session::packet_ids::PacketIds;
use crate::wire::{Packet, PacketSink};

/// Taken from the outbox at once.
const BATCH: usize = 256;

impl Outgoing {
    /// Writes what can be written: what an earlier connection left, then what is new.
    pub(in crate::session) fn send(
        &mut self,
        out: &mut impl PacketSink,
        ids: &mut PacketIds,
        outbox: &Outbox,
        now: Instant,
    ) {
        self.window.unblocked();
        self.suspects.end_trial(now);
        self.suspects.look_again();
        if self.stale.has_work() {
            let ours = self.exactly_once();
            self.stale.release(out, &ours, now);
        }
        if !self.send_again(out, ids, now) {
            if !self.waits_for_suspect() {
                self.suspects.wait_for_room();
            } else if self.suspects.is_due(now) {
                self.try_suspect(out, now);
            }
            return;
        }
        self.send_status(out, ids, now);
        match self.status_alone_until() {
            Some(until) if now < until => {
                self.suspects.wait_for_room();
                return;
            }
            Some(_) => self.suspects.status_had_its_time(),
            None => {}
        }
        if self.suspects.is_due(now) && !self.try_suspect(out, now) {
            return;
        }
        while out.has_room() && !self.suspects.is_trial_on() {
            if self.next.is_empty() {
                self.refill(outbox);
            }
            let Some(first) = self.next.front() else {
                if self.window.room() == 0 && outbox.len() > 0 {
                    self.window.blocked(self.in_flight.iter().take(self.sent), out, now);
                }
                break;
            };
            let qos = first.publish.qos();
            if qos == QoS::AtMostOnce {
                if let Some(entry) = self.next.pop_front() {
                    self.send_unacknowledged(entry, out);
                }
                continue;
            }
            let wanted = self.in_flight.len() - self.given_up;
            if wanted >= MAX_IN_FLIGHT || !self.has_room(qos, 0) {
                self.window.blocked(self.in_flight.iter().take(self.sent), out, now);
                break;
            }
            let Some(id) = ids.take() else { break };
            if let Some(entry) = self.next.pop_front() {
                self.send_as(id, entry, false, out, now);
            }
        }
    }

    /// Identifiers of messages at QoS 2 that are under way, or set aside.
    fn exactly_once(&self) -> Vec<u16> {
        let all = self.in_flight.iter().chain(self.suspects.all());
        all.filter(|sent| sent.qos == QoS::ExactlyOnce).map(|sent| sent.id).collect()
    }

    /// Whether one more may be under way. What is set aside at QoS 2 may be with the broker, and takes a
    /// place there; `tried` of those are what is to be sent.
    fn has_room(&self, qos: QoS, tried: usize) -> bool {
        let aside = self.suspects.at_qos_2().saturating_sub(tried);
        self.window.has_room(qos, self.stale.limit(), aside)
    }

    /// Whether what is to be sent again waits for the place of one that is set aside.
    fn waits_for_suspect(&self) -> bool {
        let Some(again) = self.in_flight.get(self.sent) else { return false };
        again.qos == QoS::ExactlyOnce
            && self.suspects.at_qos_2() > 0
            && self.window.has_room(again.qos, self.stale.limit(), 0)
    }

    /// Sends again what an earlier connection left. Returns whether that is all.
    fn send_again(&mut self, out: &mut impl PacketSink, ids: &mut PacketIds, now: Instant) -> bool {
        let aside = self.suspects.at_qos_2();
        while self.sent < self.in_flight.len() && out.has_room() {
            let again = &mut self.in_flight[self.sent];
            if again.entry.is_none() && !again.released {
                // Given up since the last connection. At QoS 2 the broker may have it, and keeps the
                // identifier until it is told that the message may go.
                if again.qos == QoS::ExactlyOnce {
                    again.released = true;
                } else {
                    ids.free(again.id);
                    self.in_flight.remove(self.sent);
                    self.given_up -= 1;
                    continue;
                }
            }
            let has_room = self.window.has_room(again.qos, self.stale.limit(), aside);
            if again.counts() && !again.released && !has_room {
                self.window.blocked(self.in_flight.iter().take(self.sent), out, now);
                break;
            }
            match &again.entry {
                _ if again.released => out.send(Packet::PubRel(again.id.into())),
                Some(entry) => out.publish(&entry.publish, again.id, true),
                // Released or gone, as above.
                None => {}
            }
            again.sent_at = now;
            self.window.opened(again);
            self.sent += 1;
        }
        self.sent == self.in_flight.len()
    }

    fn send_status(&mut self, out: &mut impl PacketSink, ids: &mut PacketIds, now: Instant) {
        if let Some(heartbeat) = self.heartbeat.take() {
            self.send_unacknowledged(heartbeat, out);
        }
        // One after the other, so that however much a service says of itself, the newest is last.
        if self.health.is_some()
            && !self.suspects.is_status_muted(now)
            && !self.in_flight.iter().any(|sent| sent.is_status)
            && let Some(id) = ids.take()
            && let Some(entry) = self.health.take()
        {
            self.send_as(id, entry, true, out, now);
        }
    }

    /// Until when nothing goes out behind what is said of the service.
    pub(super) fn status_alone_until(&self) -> Option<Instant> {
        let status = self.in_flight.iter().find(|sent| sent.is_status)?;
        self.suspects.status_alone_until(status.sent_at)
    }

    /// Sends a message that the broker may have closed connections for, and nothing after it. Returns
    /// `false` where there is no room for it yet, for which others must not go before it.
    fn try_suspect(&mut self, out: &mut impl PacketSink, now: Instant) -> bool {
        let qos = self.suspects.entry().map(|entry| entry.publish.qos());
        let has_room = qos.is_some_and(|qos| self.has_room(qos, 1));
        if !has_room {
            self.suspects.wait_for_room();
            self.window.blocked(self.in_flight.iter().take(self.sent), out, now);
            return false;
        }
        let Some(mut suspect) = self.suspects.begin_trial(now) else { return true };
        if let Some(entry) = &suspect.entry {
            out.publish(&entry.publish, suspect.id, true);
        }
        suspect.sent_at = now;
        self.window.opened(&suspect);
        self.in_flight.insert(self.sent, suspect);
        self.is_in_order = false;
        self.sent += 1;
        true
    }

    fn refill(&mut self, outbox: &Outbox) {
        let mut batch = BATCH;
        let mut room = self.window.room();
        let take = |entry: &Entry| {
            let needs_room = entry.publish.qos() > QoS::AtMostOnce;
            if batch == 0 || (needs_room && room == 0) {
                return false;
            }
            batch -= 1;
            room -= usize::from(needs_room);
            true
        };
        outbox.take_while(take, &mut self.next);
    }

    fn send_unacknowledged(&mut self, entry: Entry, out: &mut impl PacketSink) {
        out.publish(&entry.publish, 0, false);
        self.written.extend(entry.receipt);
    }

    fn send_as(
        &mut self,
        id: u16,
        mut entry: Entry,
        is_status: bool,
        out: &mut impl PacketSink,
        now: Instant,
    ) {
        // It waits in the outbox no more.
        entry.share = None;
        if self.stale.may_be_held(entry.publish.qos()) {
            // Else the broker would take this message for that one.
            out.send(Packet::PubRel(id.into()));
        }
        out.publish(&entry.publish, id, false);
        let qos = entry.publish.qos();
        let sent = InFlight {
            id,
            entry: Some(entry),
            qos,
            released: false,
            is_status,
            sent_at: now,
            ignored: false,
        };
        self.window.opened(&sent);
        self.in_flight.push_back(sent);
        self.sent += 1;
    }
}
