use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::ticket::{Hold, Ticket};
use super::wake::Wake;
use crate::message::Message;
use crate::qos::QoS;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Notify};

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

impl Job {
    /// Whether it may be dropped when the queue is full: nobody waits for its end, or nothing was
    /// promised for it.
    fn is_droppable(&self) -> bool {
        match &self.hold {
            None => true,
            Some(hold) => self.message.qos == QoS::AtMostOnce && !hold.ticket().is_kept(),
        }
    }

    /// Whether it is dropped, if it may be. What is not kept until then cannot be any more.
    fn give_up(&self) -> bool {
        match &self.hold {
            None => true,
            Some(hold) => self.message.qos == QoS::AtMostOnce && hold.ticket().give_up(),
        }
    }

    /// Nothing is left to wait for.
    fn discard(self) {
        if let Some(hold) = self.hold {
            hold.release();
        }
    }
}

/// Bytes that messages which may be dropped take in one queue, whatever their number.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What waits for one handler.
///
/// What may be dropped is bounded here. What may not stays unacknowledged, so that the broker's
/// window bounds it.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Handed out and not yet done.
    running: AtomicUsize,
    /// Of a stream: it is not being read.
    unread: AtomicBool,
    ready: Notify,
    /// All that was handed out is done with.
    #[cfg(feature = "testing")]
    done: Notify,
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
    /// Messages that had to be dropped for the new ones.
    pub(crate) dropped: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Of a stream: what holds the message that was handed out last.
    in_hand: Option<Hold>,
    closed: bool,
    dropped: u64,
    /// The connection waits for the queue to be half empty.
    awaited: bool,
}

impl Queue {
    pub(crate) fn new(capacity: usize, overflow: Overflow, wake: Arc<Wake>) -> Self {
        Self {
            waiting: Mutex::default(),
            running: AtomicUsize::new(0),
            unread: AtomicBool::new(false),
            ready: Notify::new(),
            #[cfg(feature = "testing")]
            done: Notify::new(),
            capacity,
            overflow,
            wake,
        }
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
            if waiting.is_full(self.capacity) && job.is_droppable() {
                let oldest = match self.overflow {
                    Overflow::DropOldest => waiting.jobs.iter().position(Job::give_up),
                    Overflow::DropNew => None,
                };
                if let Some(lost) = oldest.and_then(|oldest| waiting.jobs.remove(oldest)) {
                    dropped += 1;
                    waiting.bytes -= lost.message.cost();
                    lost.discard();
                } else if job.give_up() {
                    dropped += 1;
                    job.discard();
                    continue;
                }
            }
            waiting.bytes += job.message.cost();
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
        let mut waiting = self.waiting();
        waiting.bytes += job.message.cost();
        waiting.jobs.push_front(job);
        drop(waiting);
        self.ready.notify_one();
    }

    /// Waits for messages and takes up to `max` of them. Returns `false` once the queue is closed
    /// and empty.
    pub(crate) async fn take(&self, max: usize, into: &mut VecDeque<Job>) -> bool {
        let mut has_waited = false;
        loop {
            match self.try_take(max, into) {
                Taken::Some { room_was_awaited, is_empty } => {
                    // Tasks that are just about to wait are told of several messages once, together.
                    if has_waited && !is_empty {
                        self.ready.notify_one();
                    }
                    if room_was_awaited {
                        self.wake.wake();
                        // So that the connection refills the queue while these are handled.
                        tokio::task::yield_now().await;
                    }
                    return true;
                }
                Taken::Nothing => {
                    self.ready.notified().await;
                    has_waited = true;
                }
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
        self.unread.store(false, Ordering::Relaxed);
        let mut taken = VecDeque::new();
        loop {
            match self.try_take(1, &mut taken) {
                Taken::Some { room_was_awaited, .. } => {
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
        let before = into.len();
        into.extend(waiting.jobs.drain(..count));
        let taken: usize = into.range(before..).map(|job| job.message.cost()).sum();
        waiting.bytes -= taken;
        self.running.fetch_add(count, Ordering::Relaxed);
        let room_was_awaited = waiting.awaited && waiting.jobs.len() <= self.capacity / 2;
        waiting.awaited &= !room_was_awaited;
        Taken::Some { room_was_awaited, is_empty: waiting.jobs.is_empty() }
    }

    /// A message that was taken is done with.
    pub(crate) fn done(&self) {
        let before = self.running.fetch_sub(1, Ordering::AcqRel);
        #[cfg(feature = "testing")]
        if before == 1 {
            self.done.notify_one();
        }
        #[cfg(not(feature = "testing"))]
        let _ = before;
    }

    /// Waits until no message waits or is being handled.
    #[cfg(feature = "testing")]
    pub(crate) async fn idle(&self) {
        while self.load() > 0 {
            self.done.notified().await;
        }
    }

    /// Messages that wait or are being handled.
    pub(crate) fn load(&self) -> usize {
        self.waiting().jobs.len() + self.running.load(Ordering::Acquire)
    }

    /// Takes nothing new; what waits is still handed out.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.ready.notify_waiters();
        self.ready.notify_one();
    }

    /// Lets everything go that waits, as done with.
    pub(crate) fn clear(&self) {
        let (jobs, in_hand) = {
            let mut waiting = self.waiting();
            waiting.bytes = 0;
            (std::mem::take(&mut waiting.jobs), waiting.in_hand.take())
        };
        jobs.into_iter().filter_map(|job| job.hold).chain(in_hand).for_each(Hold::release);
    }

    /// A stream hands out a message, and is done with the one before.
    pub(crate) fn hand_out(&self, hold: Option<Hold>) {
        let before = std::mem::replace(&mut self.waiting().in_hand, hold);
        if let Some(before) = before {
            before.release();
        }
    }

    /// Lets go of all messages that the stream has not taken or is not done with, if this is one of
    /// them. They stay in the queue, and may be dropped there. So may all that come until the stream
    /// is read again.
    pub(crate) fn let_go(&self, ticket: &Arc<Ticket>) -> bool {
        let mut waiting = self.waiting();
        let is_held = {
            let holds = waiting.jobs.iter().filter_map(|job| job.hold.as_ref());
            let mut holds = holds.chain(&waiting.in_hand);
            holds.any(|hold| Arc::ptr_eq(hold.ticket(), ticket))
        };
        if !is_held {
            return false;
        }
        let in_hand = waiting.in_hand.take();
        let holds: Vec<Hold> =
            waiting.jobs.iter_mut().filter_map(|job| job.hold.take()).chain(in_hand).collect();
        self.unread.store(true, Ordering::Relaxed);
        drop(waiting);
        holds.into_iter().for_each(Hold::release);
        true
    }

    /// Whether the stream has let go of messages and has not been read since.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Messages dropped because the queue was full, since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.waiting().dropped
    }
}

enum Taken {
    Some {
        room_was_awaited: bool,
        /// Nothing is left.
        is_empty: bool,
    },
    Nothing,
    Closed,
}

impl Waiting {
    fn is_full(&self, capacity: usize) -> bool {
        self.jobs.len() >= capacity || self.bytes > MAX_BYTES
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
        let hold = || (qos > QoS::AtMostOnce).then(|| Ticket::open(&Arc::default()));
        names.iter().map(|name| Job { message: message(name), hold: hold() }).collect()
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
    async fn what_nobody_waits_for_is_bounded_whatever_its_quality_of_service() {
        let queue = Queue::new(2, Overflow::DropOldest, Arc::default());
        let mut acknowledged = jobs(&["a", "b", "c"], QoS::AtLeastOnce);
        for job in &mut acknowledged {
            job.hold = None;
        }
        assert_eq!(queue.put(&mut acknowledged, 1), Level { len: 2, dropped: 1 });
        assert_eq!(names(&queue).await, ["b", "c"]);
    }

    #[tokio::test]
    async fn a_queue_is_bounded_in_bytes_too() {
        let queue = Queue::new(1_000, Overflow::DropNew, Arc::default());
        let large = "x".repeat(1024 * 1024);
        let dropped: usize =
            (0..100).map(|_| queue.put(&mut jobs(&[&large], QoS::AtMostOnce), 1).dropped).sum();
        assert_eq!(dropped, 84);
        assert_eq!(names(&queue).await.len(), 16);
        assert_eq!(queue.put(&mut jobs(&[&large], QoS::AtMostOnce), 1).dropped, 0);
    }

    #[test]
    fn a_message_whose_copy_must_be_handled_is_not_dropped() {
        let queue = Queue::new(1, Overflow::DropOldest, Arc::default());
        let mut first = jobs(&["a", "b"], QoS::AtMostOnce);
        let tickets: Vec<Arc<Ticket>> = first
            .iter_mut()
            .map(|job| job.hold.insert(Ticket::open(&Arc::default())).ticket().clone())
            .collect();
        queue.put(&mut first, 1);
        assert!(tickets[0].is_done() && tickets[0].keep(), "it has been dropped");
        assert!(!tickets[1].keep());
        assert_eq!(queue.put(&mut jobs(&["c"], QoS::AtMostOnce), 1).dropped, 1);
        assert!(!tickets[1].is_done());
    }

    #[test]
    fn a_stream_that_is_idle_can_be_made_to_let_go() {
        let queue = Queue::new(2, Overflow::DropOldest, Arc::default());
        let mut all = jobs(&["a"], QoS::AtLeastOnce);
        let waiting = all[0].hold.as_ref().unwrap().ticket().clone();
        queue.put(&mut all, 1);
        let hold = Ticket::open(&Arc::default());
        let in_hand = hold.ticket().clone();
        queue.hand_out(Some(hold));
        assert!(queue.let_go(&waiting) && queue.is_unread());
        for ticket in [waiting, in_hand] {
            assert!(ticket.is_done() && !queue.let_go(&ticket));
        }
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
