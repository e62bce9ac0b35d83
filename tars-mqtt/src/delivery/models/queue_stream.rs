use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::{check, job, wait_until};
use crate::delivery::{Hold, Overflow, Queue, Wake};
use crate::qos::QoS::AtLeastOnce;

fn queue(wake: &Arc<Wake>) -> Arc<Queue> {
    Arc::new(Queue::new(8, Overflow::DropOldest, wake.clone()))
}

/// Reads a stream to its end, as a subscription does. Returns how many messages it had.
fn read(queue: &Queue) -> usize {
    let mut count = 0;
    loop {
        queue.hand_out(None);
        let Some(job) = block_on(queue.next()) else { return count };
        queue.done();
        queue.hand_out(job.hold);
        count += 1;
    }
}

#[test]
fn a_stream_that_is_made_to_let_go_releases_each_message_once() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(&wake);
        let (one, first) = job(&wake, AtLeastOnce);
        let (other, second) = job(&wake, AtLeastOnce);
        let rests = [first.hold(), second.hold()];
        queue.put(&mut vec![one, other], 1);
        let reader = thread::spawn({
            let queue = queue.clone();
            move || read(&queue)
        });
        queue.let_go(&first);
        queue.let_go(&second);
        queue.close();
        assert_eq!(reader.join().unwrap(), 2, "they stay in the queue");
        assert_eq!(queue.load(), 0);
        let _: [(); 2] = rests.map(|rest: Hold| {
            let ticket = rest.ticket().clone();
            assert!(!ticket.is_done(), "released twice");
            rest.release();
            assert!(ticket.is_done(), "never released");
        });
    });
}

#[test]
fn a_stream_that_reads_on_is_not_taken_for_one_that_does_not() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(&wake);
        let (one, first) = job(&wake, AtLeastOnce);
        queue.put(&mut vec![one], 1);
        let reader = thread::spawn({
            let queue = queue.clone();
            move || read(&queue)
        });
        queue.let_go(&first);
        wait_until(&wake, || first.is_done());
        queue.close();
        assert_eq!(reader.join().unwrap(), 1);
        assert!(!queue.is_unread());
    });
}

#[test]
fn nothing_stays_held_in_the_queue_of_a_stream_that_is_dropped() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let queue = queue(&wake);
        let (before, first) = job(&wake, AtLeastOnce);
        let (late, second) = job(&wake, AtLeastOnce);
        queue.put(&mut vec![before], 1);
        let subscription = thread::spawn({
            let queue = queue.clone();
            move || {
                let job = block_on(queue.next());
                queue.done();
                queue.hand_out(job.and_then(|job| job.hold));
                queue.close();
                queue.clear();
            }
        });
        queue.put(&mut vec![late], 1);
        subscription.join().unwrap();
        // The session unsubscribes, which the end of a subscription asks for.
        queue.clear();
        assert!(first.is_done() && second.is_done());
    });
}
