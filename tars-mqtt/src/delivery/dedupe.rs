use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::queue::Job;
use super::ticket::{Hold, Ticket};
use crate::config::DedupeKey;
use crate::event::Head;
use crate::message::Message;
use crate::qos::QoS;

/// What makes two messages the same, as a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(u64);

/// Remembers what one handler has handled, for a while.
#[derive(Debug)]
pub(crate) struct Dedupe {
    ttl: Duration,
    max_entries: usize,
    compares: DedupeKey,
    hasher: RandomState,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    messages: HashMap<Key, State, BuildHasherDefault<AsItIs>>,
    /// The handled ones, oldest first.
    handled: VecDeque<(Instant, Key)>,
}

/// A key is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[derive(Debug)]
enum State {
    /// Being handled; later copies that somebody waits for wait here for the outcome. They are as
    /// many as the broker has unacknowledged.
    Running(Vec<Job>),
    /// Handled, at this time. A later copy is done when the first one is, with all its replies.
    Handled(Option<Arc<Ticket>>, Instant),
}

/// What to do with a message.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It is the first of its kind. What holds it is given back.
    Run(Option<Hold>),
    /// It is a copy, and has been seen to.
    Copy,
}

impl Dedupe {
    pub(crate) fn new(ttl: Duration, max_entries: usize, compares: DedupeKey) -> Self {
        let (hasher, seen) = (RandomState::new(), Mutex::default());
        Self { ttl, max_entries, compares, hasher, seen }
    }

    /// The key of a message that has an envelope.
    pub(crate) fn key(&self, message: &Message, head: &Head) -> Key {
        let payload = message.payload();
        match self.compares {
            DedupeKey::Full => Key(self.hasher.hash_one((message.topic(), &payload[..]))),
            DedupeKey::Tars => {
                let discriminator = match head.seq(payload) {
                    Some(seq) => (Some(seq), &[][..]),
                    None => (None, head.data(payload)),
                };
                let (event_type, id) = (head.event_type(payload), head.id(payload));
                Key(self.hasher.hash_one((event_type, id, discriminator)))
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether a message is to be handled.
    pub(crate) fn begin(&self, key: Key, message: &Message, hold: Option<Hold>) -> Verdict {
        let mut seen = self.seen();
        match seen.messages.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(State::Running(Vec::new()));
                return Verdict::Run(hold);
            }
            Entry::Occupied(mut entry) => match entry.get_mut() {
                // No acknowledgement waits for a copy at QoS 0. It would wait here for nothing, and
                // nothing would bound how many do.
                State::Running(copies) if message.qos > QoS::AtMostOnce && hold.is_some() => {
                    copies.push(Job { message: message.clone(), hold });
                }
                State::Running(_) => follow(None, hold),
                State::Handled(_, at) if at.elapsed() > self.ttl => {
                    entry.insert(State::Running(Vec::new()));
                    return Verdict::Run(hold);
                }
                State::Handled(first, _) => {
                    let first = first.clone().filter(|_| message.qos > QoS::AtMostOnce);
                    drop(seen);
                    follow(first.as_deref(), hold);
                }
            },
        }
        Verdict::Copy
    }

    /// A message has been handled, and counts as seen from now on.
    pub(crate) fn handled(&self, key: Key, ticket: Option<&Arc<Ticket>>) {
        let now = Instant::now();
        let mut seen = self.seen();
        let before = seen.messages.insert(key, State::Handled(ticket.cloned(), now));
        seen.handled.push_back((now, key));
        seen.forget(now, self.ttl, self.max_entries);
        drop(seen);
        if let Some(State::Running(copies)) = before {
            for copy in copies {
                follow(ticket.map(Arc::as_ref), copy.hold);
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
    /// Forgets what is too old, and the oldest of what is too much.
    fn forget(&mut self, now: Instant, ttl: Duration, max_entries: usize) {
        while let Some(&(at, key)) = self.handled.front()
            && (self.handled.len() > max_entries || now.duration_since(at) > ttl)
        {
            self.handled.pop_front();
            // It may have come again after its time, and be younger than this.
            if let Entry::Occupied(entry) = self.messages.entry(key)
                && matches!(entry.get(), State::Handled(_, handled) if *handled == at)
            {
                entry.remove();
            }
        }
    }
}

fn follow(first: Option<&Ticket>, copy: Option<Hold>) {
    match (first, copy) {
        (Some(first), Some(hold)) => first.follow(hold),
        (None, Some(hold)) => hold.release(),
        (_, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::wake::Wake;
    use super::*;
    use crate::message::Message;

    fn message() -> Message {
        sent("t", "")
    }

    fn sent(topic: &str, payload: &str) -> Message {
        Message {
            topic: topic.into(),
            payload: bytes::Bytes::copy_from_slice(payload.as_bytes()),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
        }
    }

    fn filter(ttl: Duration, max_entries: usize) -> Dedupe {
        Dedupe::new(ttl, max_entries, DedupeKey::Full)
    }

    fn key(dedupe: &Dedupe, topic: &str, source: &str, ts: f64, data: &str) -> Key {
        let payload =
            format!(r#"{{"id":"b","type":"a","ts":{ts},"source":"{source}","data":{data}}}"#);
        let message = sent(topic, &payload);
        dedupe.key(&message, &Head::find(message.payload()).unwrap())
    }

    fn numbered(dedupe: &Dedupe, number: u32) -> Key {
        key(dedupe, "t", "s", f64::from(number), "{}")
    }

    fn open() -> (Hold, Arc<Ticket>) {
        let hold = Ticket::open(&Arc::<Wake>::default());
        let ticket = hold.ticket().clone();
        (hold, ticket)
    }

    fn runs(dedupe: &Dedupe, key: Key) -> bool {
        matches!(dedupe.begin(key, &message(), None), Verdict::Run(None))
    }

    #[test]
    fn the_full_key_tells_apart_whatever_a_handler_can_tell_apart() {
        let dedupe = filter(Duration::from_secs(1), 10);
        let seq = r#"{"seq":1}"#;
        let keys = [
            key(&dedupe, "t", "s", 1.5, seq),
            key(&dedupe, "u", "s", 1.5, seq),
            key(&dedupe, "t", "r", 1.5, seq),
            key(&dedupe, "t", "s", 2.5, seq),
            key(&dedupe, "t", "s", 1.5, r#"{"seq":1,"x":2}"#),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{index}");
        }
        assert_eq!(key(&dedupe, "t", "s", 1.5, seq), keys[0]);
    }

    #[test]
    fn the_key_of_tars_takes_the_sequence_number_before_the_data() {
        let dedupe = Dedupe::new(Duration::from_secs(1), 10, DedupeKey::Tars);
        let of = |data: &str| key(&dedupe, "t", "s", 1.5, data);
        assert_eq!(of(r#"{"seq":1}"#), of(r#"{"seq":1,"x":2}"#));
        assert_ne!(of(r#"{"seq":1}"#), of(r#"{"seq":2}"#));
        assert_ne!(of(r#"{"x":1}"#), of(r#"{"x":2}"#));
        assert_eq!(of(r#"{"x":1}"#), key(&dedupe, "u", "r", 2.5, r#"{"x":1}"#));
    }

    #[test]
    fn a_copy_that_nobody_waits_for_is_not_kept() {
        let dedupe = filter(Duration::from_secs(1), 10);
        let key = numbered(&dedupe, 1);
        assert!(runs(&dedupe, key));
        for _ in 0..1000 {
            assert!(!runs(&dedupe, key));
        }
        let (unacknowledged, ticket) = open();
        let message_at_qos_0 = Message { qos: QoS::AtMostOnce, ..message() };
        let verdict = dedupe.begin(key, &message_at_qos_0, Some(unacknowledged));
        assert!(matches!(verdict, Verdict::Copy));
        assert!(ticket.is_done(), "it is done with at once");
        let (copy, _ticket) = open();
        assert!(matches!(dedupe.begin(key, &message(), Some(copy)), Verdict::Copy));
        assert_eq!(dedupe.failed(key).len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_copy_is_done_with_the_first_and_forgotten_after_the_ttl() {
        let dedupe = filter(Duration::from_secs(1), 10);
        let key = numbered(&dedupe, 1);
        let (first, first_ticket) = open();
        let verdict = dedupe.begin(key, &message(), Some(first));
        let Verdict::Run(Some(first)) = verdict else { panic!("{verdict:?}") };
        let (copy, copy_ticket) = open();
        assert!(matches!(dedupe.begin(key, &message(), Some(copy)), Verdict::Copy));
        dedupe.handled(key, Some(&first_ticket));
        assert!(!copy_ticket.is_done());
        first.release();
        assert!(copy_ticket.is_done());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!runs(&dedupe, key));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(runs(&dedupe, key));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_handled_again_after_its_time_is_remembered_from_then_on() {
        let dedupe = filter(Duration::from_secs(10), 2);
        let keys = [0, 1].map(|number| numbered(&dedupe, number));
        assert!(runs(&dedupe, keys[0]));
        dedupe.handled(keys[0], None);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(runs(&dedupe, keys[0]));
        assert!(!runs(&dedupe, keys[0]), "it is running");
        assert!(runs(&dedupe, keys[1]));
        // Forgets the first time.
        dedupe.handled(keys[1], None);
        assert!(!runs(&dedupe, keys[0]), "it is still running");
        dedupe.handled(keys[0], None);
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!runs(&dedupe, keys[0]));
    }

    #[test]
    fn a_copy_may_try_when_the_first_one_failed() {
        let dedupe = filter(Duration::from_secs(1), 10);
        let key = numbered(&dedupe, 1);
        assert!(runs(&dedupe, key));
        let (copy, _ticket) = open();
        assert!(matches!(dedupe.begin(key, &message(), Some(copy)), Verdict::Copy));
        assert_eq!(dedupe.failed(key).len(), 1);
        assert!(runs(&dedupe, key));
    }

    #[test]
    fn the_oldest_entry_goes_when_there_are_too_many() {
        let dedupe = filter(Duration::from_secs(100), 2);
        let keys = [0, 1, 2].map(|number| numbered(&dedupe, number));
        for key in keys {
            assert!(runs(&dedupe, key));
            dedupe.handled(key, None);
        }
        assert!(!runs(&dedupe, keys[2]));
        assert!(runs(&dedupe, keys[0]));
    }
}
