use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::id_set::IdSet;
use crate::QoS;
use crate::delivery::Ticket;
use crate::message::Message;
use crate::transport::{Ack, Link};

/// Told of each QoS 0 message that has been handled.
pub(crate) type Tracker = Box<dyn Fn() + Send>;

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
    earlier: HashMap<u16, Arrived>,
    /// QoS 2 messages for which PUBREC has been sent, until PUBREL comes.
    received: IdSet,
    /// Told when a QoS 0 message has been handled, which no packet tells.
    tracker: Option<Tracker>,
}

#[derive(Debug)]
struct Arrived {
    id: u16,
    message: Message,
    /// `None` when there is nothing to wait for.
    ticket: Option<Arc<Ticket>>,
    since: Instant,
}

/// The message that holds up all others.
#[derive(Debug)]
pub(super) struct Stalled<'a> {
    pub(super) topic: &'a str,
    pub(super) behind: usize,
    pub(super) since: Instant,
}

impl Inbox {
    pub(super) fn track_all(&mut self, tracker: Tracker) {
        self.tracker = Some(tracker);
    }

    /// Whether QoS 0 messages are followed to their end too.
    pub(super) fn tracks_all(&self) -> bool {
        self.tracker.is_some()
    }

    /// Whether a message has come before and is not to be handled again. Sees to its answer.
    ///
    /// A broker sends again under the packet id of the first time (MQTT-4.4.0-1), but may have
    /// given the id to another message meanwhile. Some send again on the same connection what has
    /// waited long for its acknowledgement: one answer is enough, a second could be taken for that
    /// to another message.
    pub(super) fn is_known(&mut self, id: u16, message: &Message, now: Instant) -> bool {
        if message.qos == QoS::ExactlyOnce && self.received.contains(id) {
            self.push(id, message.clone(), None, now);
            return true;
        }
        if !message.dup {
            self.earlier.remove(&id);
            return false;
        }
        let is_same = |first: &Arrived| {
            first.message.topic == message.topic && first.message.payload == message.payload
        };
        // Looked through only where the answer is yes, most likely: thousands may be waiting.
        if self.ids.contains(id)
            && self.unacknowledged.iter().any(|arrived| arrived.id == id && is_same(arrived))
        {
            return true;
        }
        match self.earlier.remove(&id) {
            Some(first) if is_same(&first) => {
                self.push(id, message.clone(), first.ticket, now);
                true
            }
            _ => false,
        }
    }

    /// A message has come. It is acknowledged in its turn, once its ticket is done.
    pub(super) fn push(
        &mut self,
        id: u16,
        message: Message,
        ticket: Option<Arc<Ticket>>,
        since: Instant,
    ) {
        self.bytes += message.payload.len();
        self.ids.insert(id);
        self.unacknowledged.push_back(Arrived { id, message, ticket, since });
    }

    /// Acknowledges what is done, up to the first message that is not.
    pub(super) fn acknowledge(&mut self, link: &mut Link, now: Instant) {
        let mut acknowledged = false;
        while let Some(first) = self.unacknowledged.front()
            && first.ticket.as_ref().is_none_or(|ticket| ticket.is_done())
        {
            let (id, qos) = (first.id, first.message.qos);
            self.bytes -= first.message.payload.len();
            self.unacknowledged.pop_front();
            self.ids.remove(id);
            acknowledged = true;
            match qos {
                QoS::AtMostOnce => {
                    if let Some(tracker) = &self.tracker {
                        tracker();
                    }
                }
                QoS::AtLeastOnce => link.acknowledge(Ack::Publish(id)),
                QoS::ExactlyOnce => {
                    self.received.insert(id);
                    link.acknowledge(Ack::Received(id));
                }
            }
        }
        // Whoever is first now is only waited for from now on.
        if acknowledged && let Some(first) = self.unacknowledged.front_mut() {
            first.since = now;
        }
    }

    /// PUBREL: the broker releases a QoS 2 message (section 3.6).
    pub(super) fn release(&mut self, id: u16, link: &mut Link) {
        self.received.remove(id);
        // Also for an unknown one: the broker may not have seen the first answer.
        link.acknowledge(Ack::Complete(id));
    }

    /// Acknowledgements belong to their connection; what is finished later is dropped.
    pub(super) fn connection_lost(&mut self) {
        let unacknowledged = self.unacknowledged.drain(..);
        self.earlier.extend(unacknowledged.filter(|arrived| arrived.id != 0).map(|a| (a.id, a)));
        self.bytes = 0;
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

    /// Bytes that the broker waits to have acknowledged.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The message that holds up the others, if there is one.
    pub(super) fn stalled(&self) -> Option<Stalled<'_>> {
        let first = self.unacknowledged.front()?;
        let behind = self.unacknowledged.len() - 1;
        Some(Stalled { topic: first.message.topic(), behind, since: first.since })
    }
}
