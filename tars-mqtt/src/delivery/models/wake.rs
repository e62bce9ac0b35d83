use std::sync::Arc;

use loom::future::block_on;
use loom::sync::mpsc::channel;
use loom::thread;

use super::{check, join, wait_until};
use crate::delivery::{Hold, Ticket, Wake};

/// Releases a hold in a handler's task, which then goes on for a while without giving its thread back.
fn handler(
    wake: &Arc<Wake>,
    holds: Vec<Hold>,
    then: impl FnOnce() + Send + 'static,
) -> thread::JoinHandle<()> {
    let wake = wake.clone();
    thread::spawn(move || {
        block_on(wake.holding_back(Box::pin(async move {
            holds.into_iter().for_each(Hold::release);
            then();
        })));
    })
}

#[test]
fn what_handlers_wake_is_woken_when_they_give_their_thread_back() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let holds = [(); 2].map(|()| Ticket::open(&wake));
        let tickets = holds.each_ref().map(|hold| hold.ticket().clone());
        let handlers = holds.map(|hold| handler(&wake, vec![hold], || {}));
        wait_until(&wake, || tickets.iter().all(|ticket| ticket.is_done()));
        join(handlers);
    });
}

#[test]
fn what_a_handler_wakes_that_blocks_its_thread_is_woken_for_it() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let holds = [(); 2].map(|()| Ticket::open(&wake));
        let tickets = holds.each_ref().map(|hold| hold.ticket().clone());
        let ((blocks, blocked), (see, seen)) = (channel(), channel());
        let blocking = handler(&wake, Vec::from(holds), move || {
            blocks.send(()).unwrap();
            seen.recv().unwrap();
        });
        let lifeline = thread::spawn({
            let wake = wake.clone();
            move || {
                // Between what the handler asks for, and some time later.
                wake.wake_for_others();
                blocked.recv().unwrap();
                wake.wake_for_others();
            }
        });
        wait_until(&wake, || tickets.iter().all(|ticket| ticket.is_done()));
        see.send(()).unwrap();
        blocking.join().unwrap();
        lifeline.join().unwrap();
    });
}

#[test]
fn a_handler_that_ends_takes_no_wake_up_from_one_that_blocks() {
    check(2, || {
        let wake = Arc::<Wake>::default();
        let (short, long) = (Ticket::open(&wake), Ticket::open(&wake));
        let tickets = [short.ticket().clone(), long.ticket().clone()];
        let ((blocks, blocked), (see, seen)) = (channel(), channel());
        let ending = handler(&wake, vec![short], || {});
        let blocking = handler(&wake, vec![long], move || {
            blocks.send(()).unwrap();
            seen.recv().unwrap();
        });
        let lifeline = thread::spawn({
            let wake = wake.clone();
            move || {
                blocked.recv().unwrap();
                wake.wake_for_others();
            }
        });
        wait_until(&wake, || tickets.iter().all(|ticket| ticket.is_done()));
        see.send(()).unwrap();
        join([ending, blocking, lifeline]);
    });
}

#[test]
fn a_handler_wakes_the_other_connections_of_its_service_too() {
    check(2, || {
        let (first, second) = (Arc::<Wake>::default(), Arc::<Wake>::default());
        second.join(&first);
        let holds = [&first, &second].map(Ticket::open);
        let [ours, theirs] = holds.each_ref().map(|hold| hold.ticket().clone());
        let [one, other] = holds;
        let handlers = [handler(&first, vec![one], || {}), handler(&first, vec![other], || {})];
        let session = thread::spawn(move || wait_until(&second, || theirs.is_done()));
        wait_until(&first, || ours.is_done());
        session.join().unwrap();
        join(handlers);
    });
}
