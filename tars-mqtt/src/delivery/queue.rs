use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ticket::Hold;
use super::wake::Wake;
use crate::QoS;
use crate::message::Message;

/// A message for one handler.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) message: Message,
    /// Released when the handler is done. `None` where nobody waits for that.
    pub(crate) hold: Option<Hold>,
}

/// Which message goes when a queue is full of QoS 0 messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The one that has waited longest, so that what is handled is fresh.
    #[default]
    DropOldest,
    /// The one that has just come.
    DropNew,
}

/// What waits for one handler.
///
/// Only QoS 0 messages are bounded here. Others are never dropped; as they stay unacknowledged, the
/// broker's window bounds them.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Handed out and not yet done.
    running: AtomicUsize,
    ready: Notify,
    capacity: usize,
    overflow: Overflow,
    /// Where it is told that there is room again.
    wake: Arc<Wake>,
}

/// How a queue stands after messages were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Messages waiting.
    pub(crate) len: usize,
    /// QoS 0 messages that had to be dropped for the new ones.
    pub(crate) dropped: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
    dropped: u64,
    /// The connection waits for the queue to be half empty.
    awaited: bool,
}

impl Queue {
    pub(crate) fn new(capacity: usize, overflow: Overflow, wake: Arc<Wake>) -> Self {
        let (waiting, running) = (Mutex::default(), AtomicUsize::new(0));
        Self { waiting, running, ready: Notify::new(), capacity, overflow, wake }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds messages in order.
    pub(crate) fn put(&self, jobs: &mut Vec<Job>, workers: usize) -> Level {
        let added = jobs.len();
        let mut dropped = 0;
        let mut waiting = self.waiting();
        for job in jobs.drain(..) {
            if waiting.jobs.len() >= self.capacity && job.message.qos == QoS::AtMostOnce {
                dropped += 1;
                let oldest = waiting.jobs.iter().position(|job| job.message.qos == QoS::AtMostOnce);
                match (self.overflow, oldest) {
                    (Overflow::DropOldest, Some(oldest)) => {
                        if let Some(lost) = waiting.jobs.remove(oldest) {
                            release(lost);
                        }
                    }
                    _ => {
                        release(job);
                        continue;
                    }
                }
            }
            waiting.jobs.push_back(job);
        }
        waiting.dropped += dropped as u64;
        let len = waiting.jobs.len();
        drop(waiting);
        for _ in 0..added.min(workers) {
            self.ready.notify_one();
        }
        Level { len, dropped }
    }

    /// How many messages wait, if they fill more than half of the queue. The connection is woken
    /// once they do not.
    pub(crate) fn await_room(&self) -> Option<usize> {
        let mut waiting = self.waiting();
        let len = waiting.jobs.len();
        waiting.awaited = len > self.capacity / 2;
        waiting.awaited.then_some(len)
    }

    /// Puts a message back to the front, to be handed out next.
    pub(crate) fn put_back(&self, job: Job) {
        self.waiting().jobs.push_front(job);
        self.ready.notify_one();
    }

    /// Waits for messages and takes up to `max` of them. Returns `false` once the queue is closed
    /// and empty.
    pub(crate) async fn take(&self, max: usize, into: &mut VecDeque<Job>) -> bool {
        loop {
            match self.try_take(max, into) {
                Taken::Some { room_was_awaited } => {
                    if room_was_awaited {
                        self.wake.wake();
                        // So that the connection refills the queue while these are handled.
                        tokio::task::yield_now().await;
                    }
                    return true;
                }
                Taken::Nothing => self.ready.notified().await,
                Taken::Closed => {
                    // Another task may have looked just before the queue was closed.
                    self.ready.notify_one();
                    return false;
                }
            }
        }
    }

    /// Waits for a message and takes it; `None` once the queue is closed and empty. May be dropped
    /// at any time: what is taken is given out at once.
    pub(crate) async fn next(&self) -> Option<Job> {
        let mut taken = VecDeque::new();
        loop {
            match self.try_take(1, &mut taken) {
                Taken::Some { room_was_awaited } => {
                    if room_was_awaited {
                        self.wake.wake();
                    }
                    return taken.pop_front();
                }
                Taken::Nothing => self.ready.notified().await,
                Taken::Closed => {
                    self.ready.notify_one();
                    return None;
                }
            }
        }
    }

    fn try_take(&self, max: usize, into: &mut VecDeque<Job>) -> Taken {
        let mut waiting = self.waiting();
        let count = waiting.jobs.len().min(max);
        if count == 0 {
            return if waiting.closed { Taken::Closed } else { Taken::Nothing };
        }
        into.extend(waiting.jobs.drain(..count));
        self.running.fetch_add(count, Ordering::Relaxed);
        let room_was_awaited = waiting.awaited && waiting.jobs.len() <= self.capacity / 2;
        waiting.awaited &= !room_was_awaited;
        Taken::Some { room_was_awaited }
    }

    /// A message that was taken is done with.
    pub(crate) fn done(&self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Messages that wait or are being handled.
    pub(crate) fn load(&self) -> usize {
        self.waiting().jobs.len() + self.running.load(Ordering::Relaxed)
    }

    /// Takes nothing new; what waits is still handed out.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.ready.notify_waiters();
        self.ready.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting().closed
    }

    /// Lets everything go that waits, as done with.
    pub(crate) fn clear(&self) {
        let jobs = std::mem::take(&mut self.waiting().jobs);
        jobs.into_iter().for_each(release);
    }

    /// QoS 0 messages dropped because the queue was full, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.waiting().dropped
    }
}

enum Taken {
    Some { room_was_awaited: bool },
    Nothing,
    Closed,
}

fn release(job: Job) {
    if let Some(hold) = job.hold {
        hold.release();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn jobs(names: &[&str], qos: QoS) -> Vec<Job> {
        let message = |name: &str| Message {
            topic: "t".into(),
            payload: Bytes::copy_from_slice(name.as_bytes()),
            qos,
            retain: false,
            dup: false,
        };
        names.iter().map(|name| Job { message: message(name), hold: None }).collect()
    }

    async fn names(queue: &Queue) -> Vec<String> {
        let mut taken = VecDeque::new();
        queue.take(100, &mut taken).await;
        let name = |job: &Job| String::from_utf8_lossy(&job.message.payload).into_owned();
        taken.iter().map(name).collect()
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_qos_0_message() {
        let queue = Queue::new(2, Overflow::DropOldest, Arc::default());
        let level = queue.put(&mut jobs(&["a", "b", "c"], QoS::AtMostOnce), 1);
        assert_eq!(level, Level { len: 2, dropped: 1 });
        assert_eq!(names(&queue).await, ["b", "c"]);
        assert_eq!(queue.dropped(), 1);
    }

    #[tokio::test]
    async fn a_full_queue_drops_the_newest_if_told_so() {
        let queue = Queue::new(2, Overflow::DropNew, Arc::default());
        let level = queue.put(&mut jobs(&["a", "b", "c"], QoS::AtMostOnce), 1);
        assert_eq!(level.dropped, 1);
        assert_eq!(names(&queue).await, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_message_at_qos_1_is_never_dropped() {
        let queue = Queue::new(1, Overflow::DropOldest, Arc::default());
        queue.put(&mut jobs(&["a", "b"], QoS::AtLeastOnce), 1);
        assert_eq!(queue.put(&mut jobs(&["x"], QoS::AtMostOnce), 1).dropped, 1);
        queue.put(&mut jobs(&["c"], QoS::AtLeastOnce), 1);
        assert_eq!(names(&queue).await, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_closed_queue_gives_out_what_it_has_and_then_ends() {
        let queue = Queue::new(2, Overflow::DropOldest, Arc::default());
        queue.put(&mut jobs(&["a"], QoS::AtMostOnce), 1);
        queue.close();
        assert_eq!(names(&queue).await, ["a"]);
        assert!(!queue.take(1, &mut VecDeque::new()).await);
    }
}
