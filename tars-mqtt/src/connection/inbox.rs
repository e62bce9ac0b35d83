use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::QoS;
use crate::delivery::Ticket;
use crate::text::Text;
use crate::transport::{Ack, Link};

/// Messages that came on this connection and are not acknowledged yet, in the order in which they
/// came; and what QoS 2 needs remembered beyond the connection.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    unacknowledged: VecDeque<Unacknowledged>,
    bytes: usize,
    /// QoS 2 messages for which PUBREC has been sent, until PUBREL comes.
    received: HashSet<u16>,
    /// QoS 2 messages that are being handled. A copy that comes on a later connection of the same
    /// session waits for that.
    handling: HashMap<u16, Arc<Ticket>>,
    /// Told when a QoS 0 message has been handled, which no packet tells.
    tracker: Option<mpsc::UnboundedSender<()>>,
}

#[derive(Debug)]
struct Unacknowledged {
    id: u16,
    qos: QoS,
    /// `None` when there is nothing to wait for.
    ticket: Option<Arc<Ticket>>,
    topic: Text,
    bytes: usize,
    since: Instant,
}

/// The message that has held up all others for a while.
#[derive(Debug)]
pub(super) struct Stalled<'a> {
    pub(super) topic: &'a Text,
    pub(super) behind: usize,
    pub(super) since: Instant,
}

impl Inbox {
    pub(super) fn track_all(&mut self, tracker: mpsc::UnboundedSender<()>) {
        self.tracker = Some(tracker);
    }

    /// Whether QoS 0 messages are followed to their end too.
    pub(super) fn tracks_all(&self) -> bool {
        self.tracker.is_some()
    }

    /// Whether a QoS 2 message has come before, and is not to be handled again. Sees to its answer.
    pub(super) fn is_known(&mut self, id: u16, topic: &Text, now: Instant) -> bool {
        if let Some(ticket) = self.handling.get(&id).cloned() {
            self.push(id, QoS::ExactlyOnce, Some(ticket), topic.clone(), 0, now);
            return true;
        }
        if self.received.contains(&id) {
            self.push(id, QoS::ExactlyOnce, None, topic.clone(), 0, now);
            return true;
        }
        false
    }

    /// A message has come. It is acknowledged in its turn, once its ticket is done.
    pub(super) fn push(
        &mut self,
        id: u16,
        qos: QoS,
        ticket: Option<Arc<Ticket>>,
        topic: Text,
        bytes: usize,
        since: Instant,
    ) {
        if qos == QoS::ExactlyOnce
            && let Some(ticket) = &ticket
        {
            self.handling.insert(id, ticket.clone());
        }
        self.bytes += bytes;
        self.unacknowledged.push_back(Unacknowledged { id, qos, ticket, topic, bytes, since });
    }

    /// Acknowledges what is done, up to the first message that is not.
    pub(super) fn acknowledge(&mut self, link: &mut Link, now: Instant) {
        let mut acknowledged = false;
        while let Some(first) = self.unacknowledged.front()
            && first.ticket.as_ref().is_none_or(|ticket| ticket.is_done())
        {
            let (id, qos) = (first.id, first.qos);
            self.bytes -= first.bytes;
            self.unacknowledged.pop_front();
            acknowledged = true;
            match qos {
                QoS::AtMostOnce => {
                    if let Some(tracker) = &self.tracker {
                        // Whoever waited may have given up.
                        let _ = tracker.send(());
                    }
                }
                QoS::AtLeastOnce => link.acknowledge(Ack::Publish(id)),
                QoS::ExactlyOnce => {
                    self.handling.remove(&id);
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
        self.received.remove(&id);
        // Also for an unknown one: the broker may not have seen the first answer.
        link.acknowledge(Ack::Complete(id));
    }

    /// Acknowledgements belong to their connection; what is finished later is dropped.
    pub(super) fn connection_lost(&mut self) {
        self.unacknowledged.clear();
        self.bytes = 0;
    }

    pub(super) fn session_lost(&mut self) {
        self.received.clear();
        self.handling.clear();
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
        Some(Stalled { topic: &first.topic, behind, since: first.since })
    }
}
