use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use super::{check, join, wait_until};
use crate::delivery::{Hold, Ticket, Wake};

/// A ticket, and one for a copy of its message. That one is done when its two holds are released
/// once: the one returned last, and the one that follows.
fn with_copy(wake: &Arc<Wake>) -> (Hold, Arc<Ticket>, Hold, Hold) {
    let first = Ticket::open(wake);
    let ticket = first.ticket().clone();
    let follower = Ticket::open(wake);
    let rest = follower.ticket().hold();
    (first, ticket, follower, rest)
}

/// Whether the follower was released, and once.
fn is_released_once(rest: Hold) {
    let copy = rest.ticket().clone();
    assert!(!copy.is_done(), "the follower was released twice");
    rest.release();
    assert!(copy.is_done(), "the follower was lost");
}

#[test]
fn a_ticket_is_done_once_and_wakes_after_that() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let (first, ticket, follower, rest) = with_copy(&wake);
        ticket.follow(follower);
        let reply = ticket.hold_for_reply();
        let last = ticket.hold();
        let threads = [
            thread::spawn(move || first.release()),
            thread::spawn(move || drop(reply)),
            thread::spawn(move || last.release()),
        ];
        wait_until(&wake, || ticket.is_done());
        join(threads);
        is_released_once(rest);
    });
}

#[test]
fn a_follower_is_released_once_whenever_it_comes() {
    check(4, || {
        let wake = Arc::<Wake>::default();
        let (first, ticket, follower, rest) = with_copy(&wake);
        let last = ticket.hold();
        let threads =
            [thread::spawn(move || first.release()), thread::spawn(move || last.release())];
        ticket.follow(follower);
        join(threads);
        assert!(ticket.is_done());
        is_released_once(rest);
    });
}

#[test]
fn whoever_waits_for_a_copy_is_woken_when_the_first_is_done() {
    check(4, || {
        let wake = Arc::<Wake>::default();
        let first = Ticket::open(&wake);
        let ticket = first.ticket().clone();
        let follower = Ticket::open(&wake);
        let copy = follower.ticket().clone();
        let releasing = thread::spawn(move || first.release());
        let following = thread::spawn(move || ticket.follow(follower));
        wait_until(&wake, || copy.is_done());
        releasing.join().unwrap();
        following.join().unwrap();
    });
}

#[test]
fn a_message_is_kept_or_given_up_and_never_both() {
    check(4, || {
        let hold = Ticket::open(&Arc::default());
        let (kept, other) = (hold.ticket().clone(), hold.ticket().hold());
        let give_up = |hold: Hold| {
            let is_given_up = hold.ticket().give_up();
            hold.release();
            is_given_up
        };
        // Two queues that have no room for it.
        let threads = [thread::spawn(move || give_up(hold)), thread::spawn(move || give_up(other))];
        let is_lost = kept.keep();
        let outcomes = threads.map(|thread| thread.join().unwrap());
        assert_eq!(outcomes.contains(&true), is_lost, "what is given up is told of");
    });
}

#[test]
fn whoever_sees_that_a_ticket_is_done_sees_what_its_handlers_did() {
    check(4, || {
        let first = Ticket::open(&Arc::default());
        let ticket = first.ticket().clone();
        let holds = [ticket.hold(), first];
        let effects = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
        let seen = effects.clone();
        let mut handlers = Vec::new();
        for (hold, effect) in holds.into_iter().zip(effects) {
            handlers.push(thread::spawn(move || {
                effect.store(true, Ordering::Relaxed);
                hold.release();
            }));
        }
        if ticket.is_done() {
            assert!(seen.iter().all(|effect| effect.load(Ordering::Relaxed)));
        }
        join(handlers);
    });
}
