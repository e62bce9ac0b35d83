use std::collections::VecDeque;
use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::check;
use super::outbox::entry;
use crate::delivery::{Outbox, Wake};
use crate::error::{Error, Result};
use crate::qos::QoS::AtMostOnce;

/// An outbox that is full while the connection is up, and one who publishes into it at QoS 0.
fn full() -> (Arc<Outbox>, thread::JoinHandle<Result<()>>) {
    let outbox = Arc::new(Outbox::new(Arc::<Wake>::default()));
    outbox.set_link(true);
    for _ in 0..2 {
        block_on(outbox.put(entry(AtMostOnce))).expect("there is room");
    }
    let publisher = thread::spawn({
        let outbox = outbox.clone();
        move || block_on(outbox.put(entry(AtMostOnce)))
    });
    (outbox, publisher)
}

#[test]
fn whoever_waits_for_room_at_qos_0_is_told_that_the_connection_went() {
    check(3, || {
        let (outbox, publisher) = full();
        outbox.set_link(false);
        assert!(matches!(publisher.join().unwrap(), Err(Error::Disconnected)));
        assert_eq!((outbox.len(), outbox.room()), (2, 0));
    });
}

#[test]
fn whoever_waits_for_room_at_qos_0_has_it_or_an_answer() {
    check(3, || {
        let (outbox, publisher) = full();
        let mut taken = VecDeque::new();
        outbox.take_while(|_| true, &mut taken);
        outbox.set_link(false);
        let is_accepted = match publisher.join().unwrap() {
            Ok(()) => true,
            Err(Error::Disconnected) => false,
            Err(error) => panic!("{error}"),
        };
        assert_eq!(outbox.len(), usize::from(is_accepted));
        assert_eq!(outbox.room() + outbox.len(), 2, "no place is lost");
    });
}

#[test]
fn whoever_waits_for_room_at_qos_0_is_told_that_all_ends() {
    check(3, || {
        let (outbox, publisher) = full();
        assert_eq!(outbox.close().len(), 2);
        assert!(matches!(publisher.join().unwrap(), Err(Error::Stopped)));
    });
}
