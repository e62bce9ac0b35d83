use std::time::Duration;

use super::*;
use crate::delivery::Hold;
use crate::wire::Written;

fn message(payload: &str, qos: QoS, dup: bool) -> Message {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    Message { topic: "t".into(), payload, qos, retain: false, dup }
}

/// A message that is with the broker, as PUBREC says.
fn received(inbox: &mut Inbox, id: u16, payload: &str) {
    let message = message(payload, QoS::ExactlyOnce, false);
    let hash = inbox.hash(&message);
    inbox.received.insert(id, hash);
}

#[test]
fn a_qos_2_message_is_known_again_by_its_id_its_mark_and_its_content() {
    let now = Instant::now();
    for (payload, dup, known) in
        [("a", true, true), ("a", false, false), ("b", true, false), ("b", false, false)]
    {
        let mut inbox = Inbox::default();
        received(&mut inbox, 7, "a");
        let again = message(payload, QoS::ExactlyOnce, dup);
        assert_eq!(inbox.is_known(7, &again, now), known, "{payload} {dup}");
        assert_eq!(inbox.is_empty(), !known);
    }
}

#[test]
fn a_message_of_an_earlier_connection_keeps_its_ticket_and_not_its_payload() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let hold = Ticket::open(&Arc::default());
    let first = message("x", QoS::AtLeastOnce, false);
    inbox.push(1, first, Some(hold.ticket().clone()), now);
    for _ in 0..3 {
        inbox.connection_lost();
        assert!(inbox.is_known(1, &message("x", QoS::AtLeastOnce, true), now));
        assert!(inbox.unacknowledged[0].message.payload.is_empty());
        let ticket = inbox.unacknowledged[0].ticket.clone();
        assert!(ticket.is_some_and(|ticket| !ticket.is_done()));
        assert_eq!(inbox.held_over.len(), 1, "it counts once");
    }
    inbox.connection_lost();
    assert!(!inbox.is_known(1, &message("y", QoS::AtLeastOnce, true), now));
}

#[test]
fn memory_is_bounded_over_connections_until_handlers_are_done() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let payload = "x".repeat(8 * 1024 * 1024);
    let large = message(&payload, QoS::AtLeastOnce, false);
    let mut holds = Vec::new();
    for round in 0..4_u16 {
        for index in 0..64 {
            if inbox.has_room(&large) {
                let hold = Ticket::open(&Arc::default());
                inbox.push(round * 64 + index + 1, large.clone(), Some(hold.ticket().clone()), now);
                holds.push(hold);
            }
        }
        assert!(inbox.has_overflowed() && !inbox.is_drained());
        inbox.connection_lost();
    }
    assert_eq!(holds.len(), 31, "what fits into 256 MiB");
    assert!(!inbox.has_room(&large) && !inbox.is_drained());
    holds.into_iter().for_each(Hold::release);
    assert!(inbox.is_drained());
    inbox.connection_lost();
    assert!(inbox.has_room(&large));
}

/// A message with what must be done before it is acknowledged.
fn come(inbox: &mut Inbox, id: u16, qos: QoS, now: Instant) -> Hold {
    let hold = Ticket::open(&Arc::default());
    inbox.push(id, message(&id.to_string(), qos, false), Some(hold.ticket().clone()), now);
    hold
}

/// What is acknowledged now: the ids, and whether with PUBREC.
fn acknowledged(inbox: &mut Inbox, now: Instant) -> Vec<(u16, bool)> {
    let mut out = Written::default();
    inbox.acknowledge(&mut out, now);
    let answer = |packet| match packet {
        Packet::PubAck(ack) => (ack.id, false),
        Packet::PubRec(ack) => (ack.id, true),
        other => panic!("{other:?}"),
    };
    out.0.into_iter().map(answer).collect()
}

#[test]
fn acknowledgements_go_out_in_order_of_arrival_up_to_the_first_that_is_not_done() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let [one, two, three] = [(4, QoS::AtLeastOnce), (9, QoS::ExactlyOnce), (3, QoS::AtLeastOnce)]
        .map(|(id, qos)| come(&mut inbox, id, qos, now));
    inbox.push(2, message("nobody", QoS::AtLeastOnce, false), None, now);
    three.release();
    assert!(acknowledged(&mut inbox, now).is_empty());
    one.release();
    assert_eq!(acknowledged(&mut inbox, now), [(4, false)]);
    two.release();
    assert_eq!(acknowledged(&mut inbox, now), [(9, true), (3, false), (2, false)]);
    assert!(inbox.is_empty() && acknowledged(&mut inbox, now).is_empty());
}

#[test]
fn a_message_that_is_sent_again_on_its_connection_is_answered_once() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let hold = come(&mut inbox, 1, QoS::AtLeastOnce, now);
    for _ in 0..3 {
        assert!(inbox.is_known(1, &message("1", QoS::AtLeastOnce, true), now));
    }
    // The broker may have given the id to another message, of which a first copy was lost.
    assert!(!inbox.is_known(1, &message("2", QoS::AtLeastOnce, true), now));
    hold.release();
    assert_eq!(acknowledged(&mut inbox, now), [(1, false)]);
    assert!(!inbox.is_known(1, &message("1", QoS::AtLeastOnce, true), now), "the id is free");
}

#[test]
fn what_is_done_after_its_connection_is_acknowledged_only_when_it_has_come_again() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let [one, two] = [1, 2].map(|id| come(&mut inbox, id, QoS::AtLeastOnce, now));
    inbox.connection_lost();
    one.release();
    two.release();
    assert!(acknowledged(&mut inbox, now).is_empty());
    assert!(inbox.is_known(2, &message("2", QoS::AtLeastOnce, true), now));
    assert_eq!(acknowledged(&mut inbox, now), [(2, false)]);
    // Without DUP it is another message, and what was there before is forgotten.
    assert!(!inbox.is_known(1, &message("1", QoS::AtLeastOnce, false), now));
    assert!(!inbox.is_known(1, &message("1", QoS::AtLeastOnce, true), now));
}

#[test]
fn a_broker_that_has_lost_the_session_sends_nothing_again() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let hold = come(&mut inbox, 1, QoS::AtLeastOnce, now);
    received(&mut inbox, 2, "2");
    inbox.connection_lost();
    inbox.session_lost();
    assert!(!inbox.is_known(1, &message("1", QoS::AtLeastOnce, true), now));
    assert!(!inbox.is_known(2, &message("2", QoS::ExactlyOnce, true), now));
    drop(hold);
}

#[test]
fn a_qos_2_message_is_known_until_it_is_released() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    come(&mut inbox, 7, QoS::ExactlyOnce, now).release();
    assert_eq!(acknowledged(&mut inbox, now), [(7, true)]);
    inbox.connection_lost();
    let again = message("7", QoS::ExactlyOnce, true);
    assert!(inbox.is_known(7, &again, now));
    assert_eq!(acknowledged(&mut inbox, now), [(7, true)], "PUBREC may have been lost");
    inbox.release(7);
    assert!(!inbox.is_known(7, &again, now));
}

#[test]
fn a_message_counts_as_holding_up_others_from_when_it_is_the_first() {
    let (mut inbox, start) = (Inbox::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    let [one, two, three] =
        [1, 2, 3].map(|id| come(&mut inbox, id, QoS::AtLeastOnce, at(id.into())));
    let stalled = |inbox: &Inbox| {
        let Stalled { came, since, behind, .. } = inbox.stalled().unwrap();
        (came, since, behind)
    };
    assert_eq!(stalled(&inbox), (at(1), at(1), 2));
    one.release();
    acknowledged(&mut inbox, at(8));
    assert_eq!(stalled(&inbox), (at(2), at(8), 1));
    acknowledged(&mut inbox, at(9));
    assert_eq!(stalled(&inbox), (at(2), at(8), 1), "nothing has changed");
    two.release();
    three.release();
    acknowledged(&mut inbox, at(10));
    assert!(inbox.stalled().is_none());
}

#[test]
fn once_a_message_was_left_out_none_behind_it_is_taken_on_that_connection() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let large = message(&"x".repeat(16 * 1024 * 1024), QoS::AtLeastOnce, false);
    let small = message("x", QoS::AtLeastOnce, false);
    for id in 1..=15 {
        assert!(inbox.has_room(&large), "{id}");
        inbox.push(id, large.clone(), None, now);
    }
    assert!(inbox.has_room(&small) && !inbox.has_overflowed());
    assert!(!inbox.has_room(&large) && inbox.has_overflowed());
    assert!(!inbox.has_room(&small), "it would be acknowledged before that");
    assert!(!inbox.is_drained(), "some are not acknowledged");
    assert_eq!(acknowledged(&mut inbox, now).len(), 15);
    assert!(inbox.is_drained() && !inbox.has_room(&small));
    inbox.connection_lost();
    assert!(inbox.has_room(&large) && !inbox.is_drained());
}

#[test]
fn among_very_many_messages_only_small_ones_are_copied() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    let [small, large] = [1, SMALL].map(|len| message(&"x".repeat(len), QoS::AtLeastOnce, false));
    for id in 0..=LONG {
        assert!(!inbox.is_long(&small), "{id}");
        inbox.push(u16::try_from(id + 1).unwrap(), small.clone(), None, now);
    }
    assert!(inbox.is_long(&small) && !inbox.is_long(&large));
}

#[test]
fn a_stand_in_without_an_id_is_not_waited_for_on_another_connection() {
    let (mut inbox, now) = (Inbox::default(), Instant::now());
    inbox.push(0, message("x", QoS::AtMostOnce, false), None, now);
    inbox.connection_lost();
    assert!(inbox.earlier.is_empty());
    inbox.push(0, message("x", QoS::AtMostOnce, false), None, now);
    assert!(acknowledged(&mut inbox, now).is_empty() && inbox.is_empty());
}
