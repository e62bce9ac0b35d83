use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use loom::future::block_on;
use loom::thread;

use super::{check, join, wait_until};
use crate::delivery::{Entry, Outbox, Ticket, Wake};
use crate::error::Error;
use crate::qos::QoS;
use crate::wire::Publish;

pub(super) fn entry(qos: QoS) -> Entry {
    Entry::new(Publish::new("t".to_owned(), Bytes::new(), qos, false))
}

/// Leaves messages at QoS 1. Returns how many were accepted.
fn publish(outbox: &Outbox, count: usize) -> usize {
    (0..count)
        .map(|_| match block_on(outbox.put(entry(QoS::AtLeastOnce))) {
            Ok(()) => 1,
            Err(Error::Stopped) => 0,
            Err(error) => panic!("{error}"),
        })
        .sum()
}

#[test]
fn every_entry_is_taken_once_and_its_place_is_free_again() {
    check(2, || {
        let wake = Arc::<Wake>::default();
        let outbox = Arc::new(Outbox::new(wake.clone()));
        // There is room for two.
        let publishers = [2, 1].map(|count| {
            let outbox = outbox.clone();
            thread::spawn(move || assert_eq!(publish(&outbox, count), count))
        });
        let mut taken = VecDeque::new();
        wait_until(&wake, || {
            outbox.take_while(|_| true, &mut taken);
            taken.len() == 3
        });
        join(publishers);
        assert_eq!((outbox.len(), outbox.room()), (0, 2));
    });
}

#[test]
fn nothing_stays_in_an_outbox_that_is_closed() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let publishers = [2, 1].map(|count| {
            let outbox = outbox.clone();
            thread::spawn(move || publish(&outbox, count))
        });
        let mut taken = VecDeque::new();
        outbox.take_while(|_| true, &mut taken);
        taken.extend(outbox.close());
        let accepted: usize =
            publishers.into_iter().map(|publisher| publisher.join().unwrap()).sum();
        assert_eq!(accepted, taken.len(), "what was accepted is given back");
        assert_eq!(outbox.len(), 0);
    });
}

#[test]
fn an_entry_lets_go_of_its_message_however_it_ends() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let handler = Ticket::open(&wake);
        let ticket = handler.ticket().clone();
        let reply = Entry { hold: Some(ticket.hold_for_reply()), ..entry(QoS::AtLeastOnce) };
        let publisher = thread::spawn({
            let outbox = outbox.clone();
            move || {
                // Refused, it is dropped.
                let _ = block_on(outbox.put(reply));
                handler.release();
            }
        });
        outbox.close().into_iter().for_each(|entry| entry.failed(Error::Stopped));
        wait_until(&wake, || ticket.is_done());
        publisher.join().unwrap();
    });
}

#[test]
fn a_handler_that_waits_for_room_has_the_connection_woken_first() {
    check(3, || {
        let wake = Arc::<Wake>::default();
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let handler = thread::spawn({
            let (outbox, wake) = (outbox.clone(), wake.clone());
            move || {
                block_on(wake.holding_back(Box::pin(async move {
                    // It blocks its thread as it waits, so that nothing of it is seen until then.
                    assert_eq!(publish(&outbox, 3), 3);
                })));
            }
        });
        let mut taken = VecDeque::new();
        wait_until(&wake, || {
            outbox.take_while(|_| true, &mut taken);
            taken.len() == 3
        });
        handler.join().unwrap();
    });
}
