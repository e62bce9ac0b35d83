use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Ticket;
use crate::message::Message;

/// A request to a handler of this service that has not come back from the broker for this long is
/// handed to it here.
const PATIENCE: Duration = Duration::from_millis(200);

/// Requests remembered until the broker sends them.
const REMEMBERED: usize = 1024;

/// Bytes of them that are remembered. What is beyond is left to the broker.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Requests that a service makes of itself.
///
/// A handler that waits for an answer of another handler of its service waits for a message that has
/// to come through the broker's window, in which its own message takes a place. Where the window is
/// full of those who wait, it never comes. It is then handed over here, and the broker's copy of it
/// is a copy.
#[derive(Debug, Default)]
pub(super) struct OwnRequests {
    all: VecDeque<OwnRequest>,
    /// Of the messages that wait there.
    bytes: usize,
    hasher: RandomState,
}

#[derive(Debug)]
struct OwnRequest {
    hash: u64,
    state: State,
}

impl OwnRequest {
    fn cost(&self) -> usize {
        match &self.state {
            State::Waiting { message, .. } => message.cost(),
            State::HandedOver(_) => 0,
        }
    }
}

#[derive(Debug)]
enum State {
    /// The broker has not sent it back.
    Waiting { message: Message, since: Instant },
    /// It was handed over without the broker.
    HandedOver(Option<Arc<Ticket>>),
}

/// What a message that has come is.
#[derive(Debug)]
pub(super) enum Came {
    /// Nothing that this knows of, or nothing that was handed over.
    New,
    /// It was handed over before it came, and is done with when the ticket is.
    HandedOver(Option<Arc<Ticket>>),
}

impl OwnRequests {
    /// A request goes out to a handler of this service.
    pub(super) fn add(&mut self, message: Message, now: Instant) {
        if self.all.len() >= REMEMBERED
            && let Some(oldest) = self.all.pop_front()
        {
            self.bytes -= oldest.cost();
        }
        if self.bytes + message.cost() > MAX_BYTES {
            return;
        }
        self.bytes += message.cost();
        let hash = self.hash(&message);
        self.all.push_back(OwnRequest { hash, state: State::Waiting { message, since: now } });
    }

    fn hash(&self, message: &Message) -> u64 {
        self.hasher.hash_one((message.topic(), &message.payload))
    }

    /// A message has come from the broker.
    pub(super) fn came(&mut self, message: &Message) -> Came {
        if self.all.is_empty() {
            return Came::New;
        }
        let hash = self.hash(message);
        let at = self.all.iter().position(|own| own.hash == hash);
        let own = at.and_then(|at| self.all.remove(at));
        self.bytes -= own.as_ref().map_or(0, OwnRequest::cost);
        match own {
            Some(OwnRequest { state: State::HandedOver(ticket), .. }) => Came::HandedOver(ticket),
            _ => Came::New,
        }
    }

    /// Those that have waited long enough, each with its place for [`handed_over`](Self::handed_over).
    pub(super) fn due(&self, now: Instant) -> Vec<(usize, Message)> {
        let is_due = |(index, own): (usize, &OwnRequest)| match &own.state {
            State::Waiting { message, since } if now.duration_since(*since) >= PATIENCE => {
                Some((index, message.clone()))
            }
            _ => None,
        };
        self.all.iter().enumerate().filter_map(is_due).collect()
    }

    pub(super) fn handed_over(&mut self, index: usize, ticket: Option<Arc<Ticket>>) {
        if let Some(own) = self.all.get_mut(index) {
            self.bytes -= own.cost();
            own.state = State::HandedOver(ticket);
        }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all.iter().find_map(|own| match &own.state {
            State::Waiting { since, .. } => Some(*since + PATIENCE),
            State::HandedOver(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

    fn message(payload: &str) -> Message {
        let payload = payload.to_owned().into();
        let qos = QoS::AtLeastOnce;
        Message { topic: "ask".into(), payload, qos, retain: false, dup: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_back_in_time_is_left_to_the_broker() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        own.add(message("1"), now);
        assert_eq!(own.deadline(), Some(now + PATIENCE));
        assert!(own.due(now).is_empty());
        assert!(matches!(own.came(&message("2")), Came::New));
        assert!(matches!(own.came(&message("1")), Came::New));
        assert!(own.due(now + PATIENCE).is_empty() && own.deadline().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_handed_over_is_a_copy_when_it_comes() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        own.add(message("1"), now);
        let due = own.due(now + PATIENCE);
        let [(0, _)] = due[..] else { panic!("{due:?}") };
        own.handed_over(0, None);
        assert!(own.due(now + PATIENCE).is_empty() && own.deadline().is_none());
        assert!(matches!(own.came(&message("1")), Came::HandedOver(None)));
        assert!(matches!(own.came(&message("1")), Came::New), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_remembered_than_there_is_room_for() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        for index in 0..2 * REMEMBERED {
            own.add(message(&index.to_string()), now);
        }
        assert_eq!(own.all.len(), REMEMBERED);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_bytes_are_remembered_than_there_is_room_for() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        let large = message(&"x".repeat(1024 * 1024));
        for _ in 0..3 {
            for _ in 0..100 {
                own.add(large.clone(), now);
            }
            let due = own.due(now + PATIENCE);
            assert_eq!(due.len(), 15, "what fits into 16 MiB");
            for (index, _) in due {
                own.handed_over(index, None);
            }
            assert_eq!(own.bytes, 0);
            while matches!(own.came(&large), Came::HandedOver(None)) {}
        }
        own.add(large.clone(), now);
        assert!(matches!(own.came(&large), Came::New) && own.bytes == 0);
    }
}
