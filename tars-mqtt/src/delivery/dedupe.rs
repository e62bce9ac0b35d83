use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::queue::Job;
use super::ticket::Ticket;

/// What makes two messages the same: a hash of event type, id, and sequence number or data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64);

/// Remembers what one handler has handled, for a while.
#[derive(Debug)]
pub(crate) struct Dedupe {
    ttl: Duration,
    max_entries: usize,
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    messages: HashMap<Key, State>,
    /// The handled ones, oldest first.
    handled: VecDeque<(Instant, Key)>,
}

#[derive(Debug)]
enum State {
    /// Being handled; later copies wait here for the outcome.
    Running(Vec<Job>),
    /// Handled. A later copy is done when the first one is, with all its replies.
    Handled(Option<Arc<Ticket>>),
}

/// What to do with a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is the first of its kind.
    Run(Job),
    /// It is a copy, and has been seen to.
    Copy,
}

impl Dedupe {
    pub(crate) fn new(ttl: Duration, max_entries: usize) -> Self {
        Self { ttl, max_entries, hasher: RandomState::new(), seen: Mutex::default() }
    }

    /// The key of a message: `type|id|seq=N`, or `type|id|` and the bytes of its data.
    pub(crate) fn key(&self, event_type: &str, id: &str, seq: Option<i128>, data: &[u8]) -> Key {
        let discriminator = match seq {
            Some(seq) => (Some(seq), &[][..]),
            None => (None, data),
        };
        Key(self.hasher.hash_one((event_type, id, discriminator)))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a message is to be handled.
    pub(crate) fn begin(&self, key: Key, job: Job) -> Verdict {
        let mut seen = self.seen();
        seen.forget_before(Instant::now().checked_sub(self.ttl));
        match seen.messages.get_mut(&key) {
            None => {
                seen.messages.insert(key, State::Running(Vec::new()));
                Verdict::Run(job)
            }
            Some(State::Running(copies)) => {
                copies.push(job);
                Verdict::Copy
            }
            Some(State::Handled(first)) => {
                let first = first.clone();
                drop(seen);
                follow(first.as_deref(), job);
                Verdict::Copy
            }
        }
    }

    /// A message has been handled, and counts as seen from now on.
    pub(crate) fn handled(&self, key: Key, ticket: Option<&Arc<Ticket>>) {
        let mut seen = self.seen();
        let before = seen.messages.insert(key, State::Handled(ticket.cloned()));
        seen.handled.push_back((Instant::now(), key));
        while seen.handled.len() > self.max_entries {
            if let Some((_, oldest)) = seen.handled.pop_front() {
                seen.messages.remove(&oldest);
            }
        }
        drop(seen);
        if let Some(State::Running(copies)) = before {
            for copy in copies {
                follow(ticket.map(Arc::as_ref), copy);
            }
        }
    }

    /// A message could not be handled. Returns the copies that came meanwhile: they may try.
    pub(crate) fn failed(&self, key: Key) -> Vec<Job> {
        match self.seen().messages.remove(&key) {
            Some(State::Running(copies)) => copies,
            _ => Vec::new(),
        }
    }
}

impl Seen {
    fn forget_before(&mut self, limit: Option<Instant>) {
        let Some(limit) = limit else { return };
        while let Some((at, key)) = self.handled.front().copied()
            && at < limit
        {
            self.handled.pop_front();
            self.messages.remove(&key);
        }
    }
}

fn follow(first: Option<&Ticket>, copy: Job) {
    match (first, copy.hold) {
        (Some(first), Some(hold)) => first.follow(hold),
        (None, Some(hold)) => hold.release(),
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::wake::Wake;
    use super::*;
    use crate::QoS;
    use crate::message::Message;

    fn job() -> (Job, Arc<Ticket>) {
        let hold = Ticket::open(&Arc::<Wake>::default());
        let ticket = hold.ticket().clone();
        let message = Message {
            topic: "t".into(),
            payload: bytes::Bytes::new(),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
        };
        (Job { message, hold: Some(hold) }, ticket)
    }

    fn run(verdict: Verdict) -> Job {
        match verdict {
            Verdict::Run(job) => job,
            Verdict::Copy => panic!("taken for a copy"),
        }
    }

    #[test]
    fn the_key_takes_the_sequence_number_before_the_data() {
        let dedupe = Dedupe::new(Duration::from_secs(1), 10);
        let key = |seq, data: &str| dedupe.key("a", "b", seq, data.as_bytes());
        assert_eq!(key(Some(1), "x"), key(Some(1), "y"));
        assert_ne!(key(Some(1), "x"), key(Some(2), "x"));
        assert_eq!(key(None, "x"), key(None, "x"));
        assert_ne!(key(None, "x"), key(None, "y"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_is_done_with_the_first_and_forgotten_after_the_ttl() {
        let dedupe = Dedupe::new(Duration::from_secs(1), 10);
        let key = dedupe.key("a", "b", None, b"");
        let (first, first_ticket) = job();
        let first = run(dedupe.begin(key, first));
        let (copy, copy_ticket) = job();
        assert!(matches!(dedupe.begin(key, copy), Verdict::Copy));
        dedupe.handled(key, Some(&first_ticket));
        assert!(!copy_ticket.is_done());
        first.hold.unwrap().release();
        assert!(copy_ticket.is_done());
        tokio::time::advance(Duration::from_millis(1001)).await;
        run(dedupe.begin(key, job().0));
    }

    #[test]
    fn a_copy_may_try_when_the_first_one_failed() {
        let dedupe = Dedupe::new(Duration::from_secs(1), 10);
        let key = dedupe.key("a", "b", None, b"");
        run(dedupe.begin(key, job().0));
        assert!(matches!(dedupe.begin(key, job().0), Verdict::Copy));
        assert_eq!(dedupe.failed(key).len(), 1);
        run(dedupe.begin(key, job().0));
    }

    #[test]
    fn the_oldest_entry_goes_when_there_are_too_many() {
        let dedupe = Dedupe::new(Duration::from_secs(100), 2);
        let keys = [0, 1, 2].map(|seq| dedupe.key("a", "b", Some(seq), b""));
        for key in keys {
            run(dedupe.begin(key, job().0));
            dedupe.handled(key, None);
        }
        assert!(matches!(dedupe.begin(keys[2], job().0), Verdict::Copy));
        run(dedupe.begin(keys[0], job().0));
    }
}
