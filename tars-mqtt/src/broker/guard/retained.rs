use std::collections::HashMap;

use crate::broker::limits::OVERHEAD;

/// The retained messages, by topic, with what each takes.
#[derive(Default)]
pub(super) struct Retained {
    sizes: HashMap<String, usize>,
    bytes: usize,
}

impl Retained {
    pub(super) fn set(&mut self, topic: &str, payload: usize) {
        let size = topic.len() + payload + OVERHEAD;
        let before = match self.sizes.get_mut(topic) {
            Some(known) => std::mem::replace(known, size),
            None => {
                self.sizes.insert(topic.to_owned(), size);
                0
            }
        };
        self.bytes = self.bytes + size - before;
    }

    pub(super) fn clear(&mut self, topic: &str) {
        self.bytes -= self.sizes.remove(topic).unwrap_or(0);
    }

    /// Whether no message can be retained on this topic, for there are as many as may be.
    pub(super) fn is_full(&self, topic: &str, most: usize) -> bool {
        self.sizes.len() >= most && !self.sizes.contains_key(topic)
    }

    /// How large the payload may be that is retained on this topic, in place of what is there.
    /// Not 0, which would mean any.
    pub(super) fn room(&self, topic: &str, most: usize) -> usize {
        let others = self.bytes - self.sizes.get(topic).copied().unwrap_or(0);
        most.saturating_sub(others + topic.len() + OVERHEAD).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_the_room_of_the_one_it_replaces() {
        let mut retained = Retained::default();
        retained.set("a", 100);
        assert_eq!(retained.room("a", 2000), 2000 - OVERHEAD - 1);
        assert_eq!(retained.room("b", 2000), 2000 - 2 * (OVERHEAD + 1) - 100);
        retained.set("a", 10);
        assert_eq!(retained.room("b", 2000), 2000 - 2 * (OVERHEAD + 1) - 10);
        retained.clear("a");
        retained.clear("a");
        assert_eq!(retained.room("b", 2000), 2000 - OVERHEAD - 1);
        assert_eq!(retained.room("b", 10), 1);
    }
}
