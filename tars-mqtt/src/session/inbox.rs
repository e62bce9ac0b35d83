use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::id_set::IdSet;
use crate::delivery::Ticket;
use crate::message::Message;
use crate::qos::QoS;
use crate::wire::{Packet, PacketSink};

/// Memory that unacknowledged messages may take. Most brokers never send as much before they wait.
/// What is over it is left to the broker, and comes again on the next connection, which is made once
/// the rest is done with.
const MAX_UNACKNOWLEDGED_BYTES: usize = 256 * 1024 * 1024;

/// From so many unacknowledged messages on, those with less than so many bytes are copied out of the
/// memory that was read into.
const LONG: usize = 1024;
const SMALL: usize = 8 * 1024;

/// Messages that came on this connection and are not acknowledged yet, in the order in which they
/// came; and those of earlier connections that the broker will send again.
#[derive(Default)]
pub(super) struct Inbox {
    unacknowledged: VecDeque<Arrived>,
    /// The packet ids of those.
    ids: IdSet,
    bytes: usize,
    /// What was not acknowledged before an earlier connection of this session was lost, by packet
    /// id. A copy that comes again waits for the first one instead of being handled once more:
    /// otherwise a backlog of replies could grow with every lost connection, and none of the
    /// messages they answer would ever be done with before the next one.
    earlier: HashMap<u16, Earlier>,
    /// What messages of earlier connections cost that are still being handled.
    held_over: Vec<(Arc<Ticket>, usize)>,
    /// QoS 2 messages for which PUBREC has been sent, until PUBREL comes, with a hash of each: a
    /// broker that came back with an older state gives the same packet id to another message.
    received: HashMap<u16, u64>,
    hasher: RandomState,
    /// There was no room for a message. It and all that come after it are left unacknowledged, to
    /// come again on the next connection.
    overflowed: bool,
}

/// A message of an earlier connection: what is needed to know it again.
#[derive(Debug)]
struct Earlier {
    hash: u64,
    ticket: Option<Arc<Ticket>>,
}

#[derive(Debug)]
struct Arrived {
    id: u16,
    message: Message,
    /// Known where the message is one that came again, of which nothing else is kept.
    hash: Option<u64>,
    /// `None` when there is nothing to wait for.
    ticket: Option<Arc<Ticket>>,
    came: Instant,
    /// Since when the others wait for it.
    since: Instant,
}

/// The message that holds up all others.
#[derive(Debug)]
pub(super) struct Stalled<'a> {
    pub(super) topic: &'a str,
    pub(super) ticket: Option<&'a Arc<Ticket>>,
    pub(super) came: Instant,
    pub(super) behind: usize,
    pub(super) since: Instant,
}

impl Inbox {
    /// Whether a message has come before and is not to be handled again. Sees to its answer.
    ///
    /// A broker sends again under the packet id of the first time (MQTT-4.4.0-1), but may have
    /// given the id to another message meanwhile. Some send again on the same connection what has
    /// waited long for its acknowledgement: one answer is enough, a second could be taken for that
    /// to another message.
    pub(super) fn is_known(&mut self, id: u16, message: &Message, now: Instant) -> bool {
        if message.qos == QoS::ExactlyOnce
            && let Some(&hash) = self.received.get(&id)
        {
            // Without DUP, or with other content, it is another message.
            if message.dup && hash == self.hash(message) {
                self.push_known(id, message, hash, None, now);
                return true;
            }
            self.received.remove(&id);
        }
        if !message.dup {
            // Hashing an id for nothing would be most of what this costs.
            if !self.earlier.is_empty() {
                self.earlier.remove(&id);
            }
            return false;
        }
        // Looked through only where the answer is yes, most likely: thousands may be waiting.
        if self.ids.contains(id) {
            let hash = self.hash(message);
            let is_same = |first: &Arrived| first.id == id && self.hash_of(first) == hash;
            if self.unacknowledged.iter().any(is_same) {
                return true;
            }
        }
        let Some(first) = self.earlier.remove(&id) else { return false };
        let is_same = first.hash == self.hash(message);
        if is_same {
            self.push_known(id, message, first.hash, first.ticket, now);
        }
        is_same
    }

    fn hash(&self, message: &Message) -> u64 {
        self.hasher.hash_one((message.topic(), &message.payload))
    }

    fn hash_of(&self, arrived: &Arrived) -> u64 {
        arrived.hash.unwrap_or_else(|| self.hash(&arrived.message))
    }

    /// Whether there is room for one more message. Once there was none, there is none until the
    /// next connection: what comes later must not be acknowledged before it.
    pub(super) fn has_room(&mut self, message: &Message) -> bool {
        let is_full = |inbox: &Self| {
            let held_over: usize = inbox.held_over.iter().map(|(_, cost)| cost).sum();
            inbox.bytes + held_over + message.cost() > MAX_UNACKNOWLEDGED_BYTES
        };
        if !self.overflowed && is_full(self) {
            self.held_over.retain(|(ticket, _)| !ticket.is_done());
            self.overflowed = is_full(self);
        }
        !self.overflowed
    }

    /// Whether so many messages wait that one of this size should keep nothing in memory but itself.
    pub(super) fn is_long(&self, message: &Message) -> bool {
        self.unacknowledged.len() > LONG && message.payload.len() < SMALL
    }

    /// Whether a message was left out for want of room.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether messages were left out, and there is room for them now.
    pub(super) fn is_drained(&mut self) -> bool {
        if !self.overflowed || !self.unacknowledged.is_empty() {
            return false;
        }
        self.held_over.retain(|(ticket, _)| !ticket.is_done());
        let held_over: usize = self.held_over.iter().map(|(_, cost)| cost).sum();
        held_over < MAX_UNACKNOWLEDGED_BYTES / 2
    }

    /// A message has come. It is acknowledged in its turn, once its ticket is done.
    pub(super) fn push(
        &mut self,
        id: u16,
        message: Message,
        ticket: Option<Arc<Ticket>>,
        now: Instant,
    ) {
        self.add(Arrived { id, message, hash: None, ticket, came: now, since: now });
    }

    /// A message has come again. Its first copy has the payload.
    fn push_known(
        &mut self,
        id: u16,
        message: &Message,
        hash: u64,
        ticket: Option<Arc<Ticket>>,
        now: Instant,
    ) {
        let message = Message { payload: Bytes::new(), ..message.clone() };
        self.add(Arrived { id, message, hash: Some(hash), ticket, came: now, since: now });
    }

    fn add(&mut self, arrived: Arrived) {
        self.bytes += arrived.message.cost();
        self.ids.insert(arrived.id);
        self.unacknowledged.push_back(arrived);
    }

    /// Acknowledges what is done, up to the first message that is not.
    pub(super) fn acknowledge(&mut self, out: &mut impl PacketSink, now: Instant) {
        let mut acknowledged = false;
        while let Some(first) = self.unacknowledged.front()
            && first.ticket.as_ref().is_none_or(|ticket| ticket.is_done())
        {
            let Some(first) = self.unacknowledged.pop_front() else { break };
            let id = first.id;
            self.bytes -= first.message.cost();
            self.ids.remove(id);
            acknowledged = true;
            match first.message.qos {
                QoS::AtMostOnce => {}
                QoS::AtLeastOnce => out.send(Packet::PubAck(id.into())),
                QoS::ExactlyOnce => {
                    let hash = self.hash_of(&first);
                    self.received.insert(id, hash);
                    out.send(Packet::PubRec(id.into()));
                }
            }
        }
        // Whoever is first now is only waited for from now on.
        if acknowledged && let Some(first) = self.unacknowledged.front_mut() {
            first.since = now;
        }
    }

    /// PUBREL: the broker releases a QoS 2 message (section 3.6).
    pub(super) fn release(&mut self, id: u16) {
        self.received.remove(&id);
    }

    /// Acknowledgements belong to their connection; what is finished later is dropped.
    pub(super) fn connection_lost(&mut self) {
        self.held_over.retain(|(ticket, _)| !ticket.is_done());
        for arrived in std::mem::take(&mut self.unacknowledged) {
            if arrived.id == 0 {
                continue;
            }
            if let Some(ticket) = arrived.ticket.as_ref().filter(|ticket| !ticket.is_done())
                && arrived.hash.is_none()
            {
                self.held_over.push((ticket.clone(), arrived.message.cost()));
            }
            let hash = self.hash_of(&arrived);
            self.earlier.insert(arrived.id, Earlier { hash, ticket: arrived.ticket });
        }
        self.bytes = 0;
        self.overflowed = false;
        self.ids.clear();
    }

    pub(super) fn session_lost(&mut self) {
        self.received.clear();
        self.earlier.clear();
    }

    /// Whether everything that came is acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.unacknowledged.is_empty()
    }

    /// QoS 2 messages that the broker has not released.
    #[cfg(test)]
    pub(super) fn received(&self) -> usize {
        self.received.len()
    }

    /// What is kept, without its numbers.
    #[cfg(test)]
    pub(super) fn sketch(&self) -> impl std::hash::Hash + use<> {
        let few = |count: usize| count.min(3);
        let all = [self.unacknowledged.len(), self.earlier.len(), self.received.len()];
        (all.map(few), few(self.held_over.len()))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.unacknowledged.len()
    }

    /// The message that holds up the others, if there is one.
    pub(super) fn stalled(&self) -> Option<Stalled<'_>> {
        let first = self.unacknowledged.front()?;
        let behind = self.unacknowledged.len() - 1;
        Some(Stalled {
            topic: first.message.topic(),
            ticket: first.ticket.as_ref(),
            came: first.came,
            behind,
            since: first.since,
        })
    }
}

#[cfg(test)]
mod tests;
