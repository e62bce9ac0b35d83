use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mqtt5::broker::storage::QueueHandle;

/// What waits in the queues of the sessions.
///
/// A queue tells how many messages it holds, not how many bytes. Messages are routed one after
/// the other, so what a queue has grown by belongs to the message before.
#[derive(Default)]
pub(super) struct Backlog {
    queues: HashMap<Arc<str>, Queue>,
    bytes: usize,
    /// The largest message that may have been routed since the queues were looked at.
    size: usize,
    next: usize,
}

struct Queue {
    handle: QueueHandle,
    count: usize,
    bytes: usize,
}

impl Backlog {
    pub(super) fn add(&mut self, client: Arc<str>, handle: QueueHandle, bytes: usize) {
        let count = handle.count();
        self.queues.entry(client).or_insert_with(|| {
            self.bytes += bytes;
            Queue { handle, count, bytes }
        });
    }

    pub(super) fn remove(&mut self, client: &str) {
        if let Some(queue) = self.queues.remove(client) {
            self.bytes -= queue.bytes;
        }
    }

    pub(super) fn retain(&mut self, known: &HashSet<String>) {
        let gone: Vec<_> =
            self.queues.keys().filter(|client| !known.contains(&***client)).cloned().collect();
        for client in gone {
            self.remove(&client);
        }
    }

    /// A message of this size is routed next, after one of up to that size at QoS 2.
    pub(super) fn expect(&mut self, size: usize, released: usize) {
        self.size = self.size.max(released);
        self.next = size;
    }

    /// Counts what the queues have grown by. Tells whether one of them is full, and what all hold.
    pub(super) fn count(&mut self, most: usize, most_bytes: usize) -> (bool, usize) {
        let mut full = false;
        for queue in self.queues.values_mut() {
            let count = queue.handle.count();
            if count == queue.count && count == 0 {
                continue;
            }
            let bytes = match count.checked_sub(queue.count) {
                Some(more) => queue.bytes.saturating_add(more.saturating_mul(self.size)),
                None => share(queue.bytes, count, queue.count),
            };
            let bytes = bytes.min(most_bytes);
            full |= count >= most || bytes >= most_bytes;
            self.bytes = self.bytes + bytes - queue.bytes;
            queue.count = count;
            queue.bytes = bytes;
        }
        self.size = self.next;
        (full, self.bytes)
    }

    /// The queue that holds most.
    pub(super) fn heaviest(&self) -> Option<(Arc<str>, QueueHandle, usize)> {
        let (client, queue) = self.queues.iter().max_by_key(|(_, queue)| queue.bytes)?;
        Some((Arc::clone(client), Arc::clone(&queue.handle), queue.bytes))
    }
}

/// What this part of so many messages holds.
fn share(bytes: usize, part: usize, whole: usize) -> usize {
    let share = bytes as u128 * part as u128 / (whole as u128).max(1);
    usize::try_from(share).unwrap_or(bytes)
}
