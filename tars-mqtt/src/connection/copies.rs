use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use crate::message::Message;
use crate::router::FilterTree;

/// Messages remembered while their copies may still come.
const REMEMBERED: usize = 64;

/// So many messages without a copy show that the broker makes none.
const LEARNED: usize = 8;

/// Recognizes the copies of a message that a broker sends because several subscriptions of this
/// client match it. The standard allows one copy for all of them, or one for each (section 3.3.5).
///
/// Such copies come close behind each other and are equal to the byte. Whether the broker makes
/// them is learned from the first messages that could have some; from one that does not, an equal
/// message is a message of its own. What the broker retained comes once for each subscription from
/// all of them.
#[derive(Debug, Default)]
pub(super) struct Copies {
    /// The subscribed filters. Not asked while no two of them overlap.
    filters: FilterTree,
    overlapping: bool,
    habit: Habit,
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
}

impl Copies {
    /// These are the subscriptions now.
    pub(super) fn set_filters<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        self.filters = FilterTree::default();
        self.overlapping = false;
        for filter in filters {
            self.add_filter(filter);
        }
    }

    /// There is one more subscription.
    pub(super) fn add_filter(&mut self, filter: &str) {
        self.overlapping |= self.filters.overlaps(filter);
        self.filters.insert(filter, 0);
    }

    /// Nothing of an earlier connection has copies on this one.
    pub(super) fn connection_lost(&mut self) {
        self.expected.clear();
    }

    /// Whether a message is a copy of one that came before.
    pub(super) fn is_copy(&mut self, message: &Message) -> bool {
        if !self.overlapping {
            return false;
        }
        self.found.clear();
        self.filters.find(message.topic(), &mut self.found);
        if self.found.len() < 2 {
            return false;
        }
        let hash = self.hasher.hash_one((message.topic(), &message.payload, message.retain));
        let known = self.expected.iter().position(|expected| expected.hash == hash);
        if let Some(index) = known {
            let expected = &mut self.expected[index];
            let is_copy = expected.retain || self.habit != Habit::OneForAll;
            if is_copy && expected.copies > 0 {
                expected.copies -= 1;
                if expected.copies == 0 {
                    self.expected.remove(index);
                }
                if !message.retain {
                    self.habit = Habit::OneForEach;
                }
                return true;
            }
            self.expected.remove(index);
        }
        if self.expected.len() >= REMEMBERED {
            self.expected.pop_front();
        }
        let in_vain = self.expected.iter().filter(|expected| !expected.retain).count();
        if self.habit == Habit::Unknown && in_vain >= LEARNED {
            self.habit = Habit::OneForAll;
        }
        let copies = self.found.len() - 1;
        self.expected.push_back(Expected { hash, retain: message.retain, copies });
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QoS;

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
        copies
    }

    #[test]
    fn filters_that_do_not_overlap_have_no_copies() {
        let mut copies = Copies::default();
        copies.set_filters(["a/b", "a/c"].into_iter());
        assert!(!copies.is_copy(&message("x", false)));
        assert!(!copies.is_copy(&message("x", false)));
    }

    #[test]
    fn one_copy_for_each_filter_is_recognized() {
        let mut copies = overlapping();
        for index in 0..200 {
            let message = message(&index.to_string(), false);
            assert!(!copies.is_copy(&message));
            assert!(copies.is_copy(&message));
        }
        assert_eq!(copies.habit, Habit::OneForEach);
    }

    #[test]
    fn equal_messages_are_told_apart_once_the_broker_is_known_to_send_one() {
        let mut copies = overlapping();
        for index in 0..=LEARNED {
            assert!(!copies.is_copy(&message(&index.to_string(), false)));
        }
        assert_eq!(copies.habit, Habit::OneForAll);
        assert!(!copies.is_copy(&message("on", false)));
        assert!(!copies.is_copy(&message("on", false)));
        assert!(!copies.is_copy(&message("kept", true)));
        assert!(copies.is_copy(&message("kept", true)));
    }
}
