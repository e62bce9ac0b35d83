use std::collections::VecDeque;
use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::{check, job, join, wait_until};
use crate::delivery::{Hold, Job, Overflow, Queue, Wake};
use crate::qos::QoS::{AtLeastOnce, AtMostOnce};

fn queue(capacity: usize, wake: &Arc<Wake>) -> Arc<Queue> {
    Arc::new(Queue::new(capacity, Overflow::DropOldest, wake.clone()))
}

/// Takes up to so many messages and handles them. Returns how many there were; `None` once the queue
/// is closed.
fn handle(queue: &Queue, max: usize) -> Option<usize> {
    let mut taken = VecDeque::new();
    if !block_on(queue.take(max, &mut taken)) {
        assert!(taken.is_empty());
        return None;
    }
    let count = taken.len();
    assert!((1..=max).contains(&count));
    for job in taken {
        queue.done();
        job.hold.into_iter().for_each(Hold::release);
    }
    Some(count)
}

fn jobs(wake: &Arc<Wake>, count: usize) -> Vec<Job> {
    (0..count).map(|_| job(wake, AtLeastOnce).0).collect()
}

/// Each of so many tasks takes a message and handles it for ever: whoever still waits must be told of
/// the others.
fn every_message_wakes<const TASKS: usize>(batches: [usize; 2]) {
    let wake = Arc::<Wake>::default();
    let queue = queue(8, &wake);
    let tasks = [(); TASKS].map(|()| {
        let queue = queue.clone();
        thread::spawn(move || assert_eq!(handle(&queue, 1), Some(1)))
    });
    for batch in batches {
        queue.put(&mut jobs(&wake, batch), TASKS);
    }
    join(tasks);
    assert_eq!(queue.load(), 0);
}

#[test]
fn every_message_wakes_a_task_that_waits() {
    check(3, || every_message_wakes::<2>([2, 0]));
    check(3, || every_message_wakes::<2>([1, 1]));
}

#[test]
fn one_task_after_the_other_is_woken() {
    check(2, || every_message_wakes::<3>([3, 0]));
}

#[test]
fn a_task_that_takes_many_leaves_none_asleep() {
    check(2, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(8, &wake);
        let tasks = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut count = 0;
                while let Some(more) = handle(&queue, 2) {
                    count += more;
                }
                count
            })
        });
        queue.put(&mut jobs(&wake, 1), 2);
        queue.put(&mut jobs(&wake, 2), 2);
        queue.close();
        let count: usize = tasks.into_iter().map(|task| task.join().unwrap()).sum();
        assert_eq!((count, queue.load()), (3, 0));
    });
}

#[test]
fn all_tasks_that_wait_end_when_the_queue_is_closed() {
    check(3, || {
        let queue = queue(8, &Arc::default());
        let tasks = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || assert_eq!(handle(&queue, 1), None))
        });
        queue.close();
        join(tasks);
    });
}

#[test]
fn a_message_that_is_put_back_is_handled_by_the_other_task() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(8, &wake);
        queue.put(&mut jobs(&wake, 1), 2);
        // Cut off by a panic, unless the other one has the message first.
        let panicking = thread::spawn({
            let queue = queue.clone();
            move || {
                let mut taken = VecDeque::new();
                block_on(queue.take(1, &mut taken));
                if let Some(job) = taken.pop_front() {
                    queue.done();
                    queue.put_back(job);
                }
            }
        });
        let other = thread::spawn({
            let queue = queue.clone();
            move || handle(&queue, 1)
        });
        assert_eq!(other.join().unwrap(), Some(1));
        queue.close();
        panicking.join().unwrap();
        assert_eq!(queue.load(), 0);
    });
}

#[test]
fn room_that_was_awaited_is_told_of() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(2, &wake);
        queue.put(&mut jobs(&Arc::default(), 2), 2);
        let tasks = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || assert_eq!(handle(&queue, 1), Some(1)))
        });
        wait_until(&wake, || queue.await_room().is_none());
        join(tasks);
    });
}

#[test]
fn a_message_for_which_there_is_no_room_is_handled_or_counted() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(1, &wake);
        let task = thread::spawn({
            let queue = queue.clone();
            move || {
                let mut count = 0;
                while let Some(more) = handle(&queue, 1) {
                    count += more;
                }
                count
            }
        });
        let (first, kept) = job(&wake, AtMostOnce);
        let (second, ticket) = job(&wake, AtMostOnce);
        queue.put(&mut vec![first], 1);
        let is_lost = kept.keep();
        let dropped = queue.put(&mut vec![second], 1).dropped;
        assert!(!is_lost, "there was room");
        queue.close();
        let handled = task.join().unwrap();
        assert_eq!(handled + dropped, 2);
        assert_eq!(queue.dropped(), dropped as u64);
        assert!(kept.is_done() && ticket.is_done());
        assert_eq!(ticket.keep(), dropped == 1, "the one that was kept is not dropped");
    });
}
