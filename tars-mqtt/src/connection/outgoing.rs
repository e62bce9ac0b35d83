use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::packet_ids::PacketIds;
use crate::delivery::{Entry, Outbox};
use crate::transport::{Ack, Link};
use crate::{Error, QoS, Result};

/// QoS 1 and 2 messages that wait for their acknowledgement at the same time.
const WINDOW: usize = 256;

/// Taken from the outbox at once.
const BATCH: usize = 256;

/// Messages on their way to the broker, in the order in which they were accepted.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Sent, or sent on an earlier connection, and not acknowledged.
    in_flight: VecDeque<InFlight>,
    /// How many of those have been sent on this connection.
    sent: usize,
    /// To be sent before anything from the outbox.
    next: VecDeque<Entry>,
    /// Of QoS 0 messages that are in the socket's buffer.
    written: Vec<oneshot::Sender<Result<()>>>,
    /// What the connection itself says of the service. Sent first, and stale after an outage.
    status: VecDeque<Entry>,
}

#[derive(Debug)]
struct InFlight {
    id: u16,
    /// `None` once it was given up; the identifier stays in use until the broker answers.
    entry: Option<Entry>,
    /// PUBREC has come: the message is with the broker, PUBREL is due (section 4.3.3).
    released: bool,
    is_status: bool,
}

impl Outgoing {
    /// Writes what can be written: what an earlier connection left, then what is new.
    pub(super) fn send(&mut self, link: &mut Link, ids: &mut PacketIds, outbox: &Outbox) {
        while self.sent < self.in_flight.len() && link.has_room() {
            let again = &mut self.in_flight[self.sent];
            match &mut again.entry {
                Some(_) if again.released => link.acknowledge(Ack::Release(again.id)),
                Some(entry) => link.publish(&mut entry.publish, again.id, true),
                None => {}
            }
            self.sent += 1;
        }
        while self.sent == self.in_flight.len() && link.has_room() {
            let is_status = !self.status.is_empty();
            if !is_status && self.next.is_empty() {
                self.refill(outbox);
            }
            let queue = if is_status { &mut self.status } else { &mut self.next };
            let Some(first) = queue.front() else { break };
            if first.publish.qos() == QoS::AtMostOnce {
                if let Some(entry) = queue.pop_front() {
                    self.send_unacknowledged(entry, link);
                }
                continue;
            }
            if !is_status && self.in_flight.len() >= WINDOW {
                break;
            }
            let Some(id) = ids.take() else { break };
            if let Some(entry) = queue.pop_front() {
                self.send_as(id, entry, is_status, link);
            }
        }
    }

    fn refill(&mut self, outbox: &Outbox) {
        let mut room = WINDOW.saturating_sub(self.in_flight.len());
        let mut batch = BATCH;
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

    fn send_unacknowledged(&mut self, mut entry: Entry, link: &mut Link) {
        link.publish(&mut entry.publish, 0, false);
        self.written.extend(entry.receipt);
    }

    fn send_as(&mut self, id: u16, mut entry: Entry, is_status: bool, link: &mut Link) {
        // It waits in the outbox no more.
        entry.share = None;
        link.publish(&mut entry.publish, id, false);
        self.in_flight.push_back(InFlight { id, entry: Some(entry), released: false, is_status });
        self.sent += 1;
    }

    /// Something that the connection itself has to say.
    pub(super) fn push_status(&mut self, entry: Entry) {
        self.status.push_back(entry);
    }

    /// Whether the broker has not yet taken all that the connection says of the service.
    pub(super) fn status_is_pending(&self) -> bool {
        !self.status.is_empty() || self.in_flight.iter().any(|sent| sent.is_status)
    }

    /// The socket's buffer has been written out.
    pub(super) fn flushed(&mut self) {
        for receipt in self.written.drain(..) {
            // Whoever published may not be interested.
            let _ = receipt.send(Ok(()));
        }
    }

    fn take(&mut self, id: u16) -> Option<InFlight> {
        let index = self.in_flight.iter().position(|sent| sent.id == id)?;
        if index < self.sent {
            self.sent -= 1;
        }
        self.in_flight.remove(index)
    }

    /// PUBACK or PUBCOMP: the broker has it.
    pub(super) fn acknowledged(&mut self, id: u16, ids: &mut PacketIds) {
        let Some(sent) = self.take(id) else {
            tracing::debug!(id, "an acknowledgement for nothing that this session sent");
            return;
        };
        ids.free(id);
        if let Some(entry) = sent.entry {
            entry.delivered();
        }
    }

    /// PUBREC: the broker has a QoS 2 message and waits for its release.
    pub(super) fn received(&mut self, id: u16, link: &mut Link) {
        if let Some(sent) = self.in_flight.iter_mut().find(|sent| sent.id == id) {
            sent.released = true;
        }
        link.acknowledge(Ack::Release(id));
    }

    pub(super) fn connection_lost(&mut self, ids: &mut PacketIds) {
        self.sent = 0;
        for receipt in self.written.drain(..) {
            let _ = receipt.send(Err(Error::Disconnected));
        }
        self.status.clear();
        self.in_flight.retain(|sent| {
            let keep = sent.entry.is_some() && !sent.is_status;
            if !keep {
                ids.free(sent.id);
            }
            keep
        });
    }

    /// The broker has closed the connection: that may be its answer to the message that it had to
    /// acknowledge first. Returns that one.
    pub(super) fn suspect(&mut self) -> Option<&Entry> {
        let first = self.in_flight.front_mut()?.entry.as_mut()?;
        first.suspected += 1;
        Some(first)
    }

    /// The broker knows nothing of what was sent: all of it is sent anew.
    pub(super) fn session_lost(&mut self, ids: &mut PacketIds) {
        while let Some(sent) = self.in_flight.pop_back() {
            ids.free(sent.id);
            if let Some(entry) = sent.entry {
                self.next.push_front(entry);
            }
        }
        self.sent = 0;
    }

    /// Gives up what has waited too long for its acknowledgement.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Entry> {
        let late = |entry: &Entry| entry.deadline.is_some_and(|deadline| deadline <= now);
        let mut given_up: Vec<Entry> = Vec::new();
        for sent in &mut self.in_flight {
            given_up.extend(sent.entry.take_if(|entry| late(entry)));
        }
        let waiting = std::mem::take(&mut self.next);
        for entry in waiting {
            if late(&entry) {
                given_up.push(entry);
            } else {
                self.next.push_back(entry);
            }
        }
        given_up
    }

    /// Messages that the broker does not have yet.
    pub(super) fn unfinished(&self) -> usize {
        self.next.len()
            + self.in_flight.iter().filter(|sent| sent.entry.is_some()).count()
            + self.status.len()
    }

    /// Ends all that is left.
    pub(super) fn abandon(&mut self) {
        let in_flight = self.in_flight.drain(..).filter_map(|sent| sent.entry);
        for entry in in_flight.chain(self.next.drain(..)) {
            if let Some(receipt) = entry.receipt {
                let _ = receipt.send(Err(Error::Stopped));
            }
        }
        for receipt in self.written.drain(..) {
            let _ = receipt.send(Err(Error::Stopped));
        }
    }
}
