use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::targets::Shared;
use crate::delivery::Ticket;
use crate::message::Message;

/// A request to a handler of this service that has not come back from the broker for this long is
/// handed to it here.
const PATIENCE: Duration = Duration::from_millis(200);

/// The same where the broker may have sent it to another member of a group, who is at work on it.
const SHARED_PATIENCE: Duration = Duration::from_secs(2);

/// Requests remembered until the broker sends them.
const REMEMBERED: usize = 1024;

/// Bytes of them that are remembered. What is beyond is left to the broker.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Requests that a service makes of itself.
///
/// A handler that waits for an answer of another handler of its service waits for a message that has
/// to come through the broker's window, in which its own message takes a place. Where the window is
/// full of those who wait, it never comes. It is then handed over here, and the broker's copy of it
/// is a copy. One for a group may be with another member: it is handed over only where a message of
/// this service waits, and later, and is handled twice where that member is slow.
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

    fn is_wanted(&self) -> bool {
        match &self.state {
            State::Waiting { wanted, .. } => wanted.strong_count() > 0,
            // The broker's copy of it is still to come.
            State::HandedOver(_) => true,
        }
    }
}

fn patience(shared: Shared) -> Duration {
    match shared {
        Shared::Not => PATIENCE,
        Shared::WithOthers => SHARED_PATIENCE,
    }
}

#[derive(Debug)]
enum State {
    /// The broker has not sent it back.
    Waiting {
        message: Message,
        shared: Shared,
        due: Instant,
        /// Gone once nobody waits for the answer any more.
        wanted: Weak<()>,
    },
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
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// A request goes out to a handler of this service.
    pub(super) fn add(&mut self, message: Message, wanted: Weak<()>, shared: Shared, now: Instant) {
        self.forget_unwanted();
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
        let due = now + patience(shared);
        let state = State::Waiting { message, shared, due, wanted };
        self.all.push_back(OwnRequest { hash, state });
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

    /// Those whose answer was given up, or has come from somebody else.
    fn forget_unwanted(&mut self) {
        let mut freed = 0;
        self.all.retain(|own| {
            let is_wanted = own.is_wanted();
            freed += if is_wanted { 0 } else { own.cost() };
            is_wanted
        });
        self.bytes -= freed;
    }

    /// Those that have waited long enough, each with its place for [`handed_over`](Self::handed_over).
    /// `is_held_up` says that messages wait for their handlers.
    pub(super) fn due(&mut self, is_held_up: bool, now: Instant) -> Vec<(usize, Message)> {
        self.forget_unwanted();
        let mut found = Vec::new();
        for (index, own) in self.all.iter_mut().enumerate() {
            if let State::Waiting { message, shared, due, .. } = &mut own.state
                && *due <= now
            {
                if is_held_up || *shared == Shared::Not {
                    found.push((index, message.clone()));
                } else {
                    *due = now + patience(*shared);
                }
            }
        }
        found
    }

    pub(super) fn handed_over(&mut self, index: usize, ticket: Option<Arc<Ticket>>) {
        if let Some(own) = self.all.get_mut(index) {
            self.bytes -= own.cost();
            own.state = State::HandedOver(ticket);
        }
    }

    /// When to look again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = |own: &OwnRequest| match &own.state {
            State::Waiting { due, .. } => Some(*due),
            State::HandedOver(_) => None,
        };
        self.all.iter().filter_map(due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::QoS;

    fn message(payload: &str) -> Message {
        let payload = payload.to_owned().into();
        let qos = QoS::AtLeastOnce;
        Message { topic: "ask".into(), payload, qos, retain: false, dup: false }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_back_in_time_is_left_to_the_broker() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        let wanted = Arc::new(());
        own.add(message("1"), Arc::downgrade(&wanted), Shared::Not, now);
        assert_eq!(own.deadline(), Some(now + PATIENCE));
        assert!(own.due(true, now).is_empty());
        assert!(matches!(own.came(&message("2")), Came::New));
        assert!(matches!(own.came(&message("1")), Came::New));
        assert!(own.due(true, now + PATIENCE).is_empty() && own.deadline().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_handed_over_is_a_copy_when_it_comes() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        let wanted = Arc::new(());
        own.add(message("1"), Arc::downgrade(&wanted), Shared::Not, now);
        let due = own.due(true, now + PATIENCE);
        let [(0, _)] = due[..] else { panic!("{due:?}") };
        own.handed_over(0, None);
        assert!(own.due(true, now + PATIENCE).is_empty() && own.deadline().is_none());
        assert!(matches!(own.came(&message("1")), Came::HandedOver(None)));
        assert!(matches!(own.came(&message("1")), Came::New), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_remembered_than_there_is_room_for() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        let wanted = Arc::new(());
        for index in 0..2 * REMEMBERED {
            own.add(message(&index.to_string()), Arc::downgrade(&wanted), Shared::Not, now);
        }
        assert_eq!(own.all.len(), REMEMBERED);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_bytes_are_remembered_than_there_is_room_for() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        let wanted = Arc::new(());
        let large = message(&"x".repeat(1024 * 1024));
        for _ in 0..3 {
            for _ in 0..100 {
                own.add(large.clone(), Arc::downgrade(&wanted), Shared::Not, now);
            }
            let due = own.due(true, now + PATIENCE);
            assert_eq!(due.len(), 15, "what fits into 16 MiB");
            for (index, _) in due {
                own.handed_over(index, None);
            }
            assert_eq!(own.bytes, 0);
            while matches!(own.came(&large), Came::HandedOver(None)) {}
        }
        own.add(large.clone(), Arc::downgrade(&wanted), Shared::Not, now);
        assert!(matches!(own.came(&large), Came::New) && own.bytes == 0);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_waits_for_any_more_is_forgotten() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        for shared in [Shared::Not, Shared::WithOthers] {
            let wanted = Arc::new(());
            own.add(message("1"), Arc::downgrade(&wanted), shared, now);
            drop(wanted);
            assert!(own.due(true, now + SHARED_PATIENCE).is_empty());
            assert!(own.all.is_empty() && own.bytes == 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_for_a_group_is_handed_over_only_where_messages_wait() {
        let (mut own, now) = (OwnRequests::default(), Instant::now());
        let wanted = Arc::new(());
        own.add(message("1"), Arc::downgrade(&wanted), Shared::WithOthers, now);
        assert!(own.due(true, now + PATIENCE).is_empty());
        let later = now + SHARED_PATIENCE;
        assert!(own.due(false, later).is_empty());
        assert_eq!(own.deadline(), Some(later + SHARED_PATIENCE), "it looks again");
        assert_eq!(own.due(true, later + SHARED_PATIENCE).len(), 1);
    }
}
