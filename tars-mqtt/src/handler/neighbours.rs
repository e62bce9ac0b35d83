use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use tars_mqtt_topic::{Pattern, matches};

use crate::spec::HandlerSpec;

/// Which events the other handlers of the service take, and where.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(Vec<(&'static str, String)>);

impl Neighbours {
    /// Those of a handler among all handlers of a service.
    pub(crate) fn of(
        handler: &'static HandlerSpec,
        all: impl Iterator<Item = &'static HandlerSpec>,
    ) -> Self {
        let others = all.filter(|other| !std::ptr::eq(*other, handler));
        let taken = others.filter_map(|other| {
            Some((other.event?.event_type, Pattern::parse(other.pattern).ok()?.filter()))
        });
        Self(taken.collect())
    }

    /// Whether one of them takes events of a type on a topic.
    pub(super) fn take(&self, event_type: &str, topic: &str) -> bool {
        self.0.iter().any(|(taken, filter)| *taken == event_type && matches(filter, topic))
    }
}

/// Topics that are remembered to have had a retained message.
const TOPICS: usize = 1024;

/// Topics on which a retained message has come: an empty one there means that it is cleared, and
/// comes without the flag (section 3.3.1.3).
#[derive(Debug, Default)]
pub(crate) struct Retained {
    hasher: RandomState,
    topics: Mutex<HashSet<u64>>,
}

impl Retained {
    pub(super) fn note(&self, topic: &str) {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if topics.len() < TOPICS {
            topics.insert(self.hasher.hash_one(topic));
        }
    }

    pub(super) fn contains(&self, topic: &str) -> bool {
        let topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        topics.contains(&self.hasher.hash_one(topic))
    }
}
