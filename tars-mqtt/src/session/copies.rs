use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::delivery::Ticket;
use crate::message::Message;
use crate::router::FilterTree;

/// Messages remembered while their copies may still come.
const REMEMBERED: usize = 64;

/// So many other messages after one without a copy show that the broker makes none.
const LEARNED: usize = 8;

/// Copies come right behind each other. An equal message that comes later is one of its own...
const CLOSE: Duration = Duration::from_millis(20);

/// ...unless the broker was seen to make copies of so many different messages in a row...
const CERTAIN: u32 = 3;

/// ...in which case a copy may be held up on its way.
const LATE: Duration = Duration::from_secs(1);

/// What the broker retained may be many messages, between which copies wait for their turn.
const RETAINED: Duration = Duration::from_secs(10);

/// Recognizes the copies of a message that a broker sends because several subscriptions of this
/// client match it. The standard allows one copy for all of them, or one for each (section 3.3.5).
///
/// Such copies come close behind each other and are equal to the byte. Whether the broker makes
/// them is learned from messages that could have some, and learned anew when what comes does not
/// agree with it any more: from a broker that makes none, an equal message is a message of its own.
/// What the broker retained comes once for each filter in a SUBSCRIBE, from all brokers.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The subscribed filters. Not asked while no two of them overlap.
    filters: FilterTree,
    count: usize,
    /// Filters removed since it was last known for certain whether any overlap.
    removed: usize,
    overlapping: bool,
    /// The filters that were subscribed to last, whose retained messages are coming.
    latest: FilterTree,
    habit: Habit,
    /// Different messages in a row that had their copies, and the last of them.
    pairs: (u32, u64),
    /// Messages in a row that had none.
    singles: u32,
    expected: VecDeque<Expected>,
    hasher: RandomState,
    found: Vec<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Habit {
    #[default]
    Unknown,
    OneForAll,
    OneForEach,
}

#[derive(Debug)]
struct Expected {
    hash: u64,
    retain: bool,
    copies: usize,
    since: Instant,
    /// Of the message whose copies these are.
    ticket: Option<Arc<Ticket>>,
}

/// What a message is.
#[derive(Debug)]
pub(super) enum Seen {
    /// No copies of it can come.
    Alone,
    /// Copies of it may come: [`Copies::expect`] them.
    First(First),
    /// It is a copy, done with when the first one is.
    Copy(Option<Arc<Ticket>>),
}

/// A message that may have copies.
#[derive(Clone, Copy, Debug)]
pub(super) struct First {
    hash: u64,
    retain: bool,
    copies: usize,
}

impl Copies {
    /// There is one more subscription.
    pub(super) fn add_filter(&mut self, filter: &str) {
        self.overlapping |= self.filters.overlaps(filter);
        self.filters.insert(filter, 0);
        self.count += 1;
    }

    /// A subscription is gone. Returns whether it is time to say which filters are left.
    pub(super) fn remove_filter(&mut self, filter: &str) -> bool {
        self.filters.remove(filter, 0);
        self.count = self.count.saturating_sub(1);
        self.removed += 1;
        self.removed > self.count
    }

    /// These are the subscriptions now.
    pub(super) fn set_filters<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        self.filters = FilterTree::default();
        (self.count, self.removed, self.overlapping) = (0, 0, false);
        for filter in filters {
            self.add_filter(filter);
        }
    }

    /// A SUBSCRIBE goes out: what the broker retained for its filters will come, whatever came for
    /// earlier ones.
    pub(super) fn subscribing<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        self.expected.retain(|expected| !expected.retain);
        self.latest = FilterTree::default();
        for filter in filters {
            self.latest.insert(filter, 0);
        }
    }

    /// Nothing of an earlier connection has copies on this one.
    pub(super) fn connection_lost(&mut self) {
        self.expected.clear();
    }

    /// Whether a message is a copy of one that came before.
    pub(super) fn look(&mut self, message: &Message, now: Instant) -> Seen {
        if !self.overlapping {
            return Seen::Alone;
        }
        self.found.clear();
        let filters = if message.retain { &self.latest } else { &self.filters };
        filters.find(message.topic(), &mut self.found);
        if self.found.len() < 2 {
            return Seen::Alone;
        }
        self.settle(now);
        let hash = self.hasher.hash_one((message.topic(), &message.payload, message.retain));
        if let Some(index) = self.expected.iter().position(|expected| expected.hash == hash) {
            if !self.is_of_its_own(index, now) {
                return self.take_copy(index);
            }
            if let Some(late) = self.expected.remove(index) {
                self.missed(&late);
            }
        }
        let copies = self.found.len() - 1;
        Seen::First(First { hash, retain: message.retain, copies })
    }

    /// Whether a message that is equal to another one is none of its copies. One copy may be held up;
    /// if the one before it, of an equal message, was so too, they are more likely all messages of their
    /// own, which come at that pace.
    fn is_of_its_own(&self, index: usize, now: Instant) -> bool {
        let Expected { hash, retain, since, .. } = self.expected[index];
        !retain && hash == self.pairs.1 && now.duration_since(since) > CLOSE
    }

    fn take_copy(&mut self, index: usize) -> Seen {
        let expected = &mut self.expected[index];
        let (hash, retain) = (expected.hash, expected.retain);
        let is_copy = retain || self.habit != Habit::OneForAll;
        expected.copies -= 1;
        let ticket = expected.ticket.clone();
        if expected.copies == 0 || !is_copy {
            self.expected.remove(index);
        }
        if !retain {
            self.paired(hash);
        }
        if is_copy { Seen::Copy(ticket) } else { Seen::Alone }
    }

    /// Remembers a message whose copies may come.
    pub(super) fn expect(&mut self, first: First, ticket: Option<Arc<Ticket>>, now: Instant) {
        if self.expected.len() >= REMEMBERED
            && let Some(oldest) = self.expected.pop_front()
        {
            self.missed(&oldest);
        }
        let in_vain = self.expected.iter().filter(|expected| !expected.retain).count();
        if self.habit == Habit::Unknown && in_vain >= LEARNED {
            self.habit = Habit::OneForAll;
        }
        let First { hash, retain, copies } = first;
        self.expected.push_back(Expected { hash, retain, copies, since: now, ticket });
    }

    /// Gives up copies that have not come in time, and learns from that.
    fn settle(&mut self, now: Instant) {
        let is_certain = self.habit == Habit::OneForEach && self.pairs.0 >= CERTAIN;
        let close = if is_certain { LATE } else { CLOSE };
        let mut index = 0;
        while let Some(expected) = self.expected.get(index) {
            let limit = if expected.retain { RETAINED } else { close };
            if now.duration_since(expected.since) <= limit {
                index += 1;
            } else if let Some(late) = self.expected.remove(index) {
                self.missed(&late);
            }
        }
    }

    fn missed(&mut self, expected: &Expected) {
        if expected.retain {
            return;
        }
        self.singles += 1;
        if self.pairs.0 < CERTAIN || self.singles > 1 {
            self.habit = Habit::OneForAll;
            self.pairs = (0, 0);
        }
    }

    fn paired(&mut self, hash: u64) {
        self.singles = 0;
        if self.pairs != (self.pairs.0, hash) || self.pairs.0 == 0 {
            self.pairs = (self.pairs.0.saturating_add(1), hash);
        }
        if self.habit == Habit::Unknown || self.pairs.0 > CERTAIN {
            self.habit = Habit::OneForEach;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::QoS;

    fn message(payload: &str, retain: bool) -> Message {
        Message {
            topic: "a/b".into(),
            payload: payload.to_owned().into(),
            qos: QoS::AtMostOnce,
            retain,
            dup: false,
        }
    }

    fn overlapping() -> Copies {
        let mut copies = Copies::default();
        copies.set_filters(["a/+", "+/b"].into_iter());
        copies.subscribing(["a/+", "+/b"].into_iter());
        copies
    }

    fn is_copy(copies: &mut Copies, message: &Message, now: Instant) -> bool {
        match copies.look(message, now) {
            Seen::Alone => false,
            Seen::First(first) => {
                copies.expect(first, None, now);
                false
            }
            Seen::Copy(_) => true,
        }
    }

    #[test]
    fn filters_that_do_not_overlap_have_no_copies() {
        let mut copies = Copies::default();
        copies.set_filters(["a/b", "a/c"].into_iter());
        assert!(!is_copy(&mut copies, &message("x", false), Instant::now()));
        assert!(!is_copy(&mut copies, &message("x", false), Instant::now()));
    }

    #[test]
    fn one_copy_for_each_filter_is_recognized() {
        let mut copies = overlapping();
        let mut now = Instant::now();
        for index in 0..200 {
            let message = message(&index.to_string(), false);
            assert!(!is_copy(&mut copies, &message, now));
            // Once that is certain, a copy may be late.
            now += if index < 10 { CLOSE } else { LATE };
            assert!(is_copy(&mut copies, &message, now));
            now += CLOSE / 2;
        }
        assert_eq!(copies.habit, Habit::OneForEach);
    }

    #[test]
    fn equal_messages_with_pauses_are_all_messages_of_their_own() {
        for pause in [50, 1500] {
            let mut copies = overlapping();
            let mut now = Instant::now();
            for _ in 0..20 {
                assert!(!is_copy(&mut copies, &message("PRESS", false), now));
                now += Duration::from_millis(pause);
            }
        }
    }

    #[test]
    fn a_wrong_guess_is_taken_back() {
        let mut copies = overlapping();
        let mut now = Instant::now();
        assert!(!is_copy(&mut copies, &message("PRESS", false), now));
        assert!(is_copy(&mut copies, &message("PRESS", false), now), "nothing speaks against it");
        let mut swallowed = 0;
        for _ in 0..20 {
            now += Duration::from_millis(50);
            swallowed += usize::from(is_copy(&mut copies, &message("PRESS", false), now));
        }
        assert_eq!(swallowed, 0);
        assert_eq!(copies.habit, Habit::OneForAll);
        // The broker is another one now, and makes copies.
        let mut doubled = 0;
        for index in 0..20 {
            let message = message(&index.to_string(), false);
            now += Duration::from_millis(50);
            assert!(!is_copy(&mut copies, &message, now));
            doubled += usize::from(!is_copy(&mut copies, &message, now));
        }
        assert!(doubled <= 4, "{doubled}");
        assert_eq!(copies.habit, Habit::OneForEach);
    }

    #[test]
    fn equal_messages_with_pauses_are_told_apart_although_others_were_sent_twice() {
        for pause in [50, 500, 950] {
            let mut copies = overlapping();
            let mut now = Instant::now();
            // Whoever sends them repeats each at once, which looks like a copy.
            for index in 0..8 {
                let repeated = message(&index.to_string(), false);
                assert!(!is_copy(&mut copies, &repeated, now));
                assert!(is_copy(&mut copies, &repeated, now));
                now += Duration::from_millis(30);
            }
            let mut swallowed = 0;
            for _ in 0..20 {
                swallowed += usize::from(is_copy(&mut copies, &message("PRESS", false), now));
                now += Duration::from_millis(pause);
            }
            assert!(swallowed <= 1, "{pause}: {swallowed}");
            assert_eq!(copies.habit, Habit::OneForAll);
        }
    }

    #[test]
    fn equal_messages_are_told_apart_once_the_broker_is_known_to_send_one() {
        let mut copies = overlapping();
        let now = Instant::now();
        for index in 0..=LEARNED {
            assert!(!is_copy(&mut copies, &message(&index.to_string(), false), now));
        }
        assert_eq!(copies.habit, Habit::OneForAll);
        assert!(!is_copy(&mut copies, &message("on", false), now));
        assert!(!is_copy(&mut copies, &message("on", false), now));
        assert!(!is_copy(&mut copies, &message("kept", true), now));
        assert!(is_copy(&mut copies, &message("kept", true), now));
    }

    #[test]
    fn what_is_retained_comes_with_each_subscription_anew() {
        let mut copies = Copies::default();
        copies.set_filters(["a/+", "a/b"].into_iter());
        let now = Instant::now();
        for _ in 0..4 {
            copies.subscribing(["a/b"].into_iter());
            assert!(!is_copy(&mut copies, &message("kept", true), now));
        }
    }

    #[test]
    fn a_copy_is_done_when_the_first_one_is() {
        let mut copies = overlapping();
        let now = Instant::now();
        let Seen::First(first) = copies.look(&message("x", false), now) else { panic!() };
        let hold = Ticket::open(&Arc::default());
        copies.expect(first, Some(hold.ticket().clone()), now);
        let Seen::Copy(Some(ticket)) = copies.look(&message("x", false), now) else { panic!() };
        assert!(!ticket.is_done());
        hold.release();
        assert!(ticket.is_done());
    }
}
