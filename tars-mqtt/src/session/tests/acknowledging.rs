//! What is acknowledged, and when.

use std::collections::VecDeque;

use super::bench::{Bench, QUEUE, config, empty, just_before, millis, next, seconds};
use crate::delivery::Hold;
use crate::message::Message;
use crate::qos::QoS;
use crate::session::Wants;
use crate::wire::Packet;

#[test]
fn a_subscription_that_nobody_reads_lets_others_go_on_after_a_while() {
    let mut bench = Bench::connected(config(), &[("other/+", QoS::AtLeastOnce)]);
    let (idle, _granted) = bench.subscribe("answer");
    bench.turn();
    bench.answer("SUBSCRIBE");
    // As many as a broker has under way at once.
    for id in 1..=20 {
        let topic = if id % 2 == 1 { "answer" } else { "other/1" };
        assert!(bench.deliver(topic, &id.to_string(), id).is_empty());
    }
    assert_eq!(bench.handle(0).len(), 10);
    assert!(bench.pass(just_before(seconds(10))).is_empty());
    let all: Vec<String> = (1..=20).map(|id| format!("PUBACK {id}")).collect();
    assert_eq!(bench.pass(millis(1)), all);
    // From then on it holds nothing up.
    for id in 21..=600 {
        let topic = if id % 2 == 1 { "answer" } else { "other/1" };
        let mut written = bench.deliver(topic, &id.to_string(), id);
        bench.handle(0);
        written.extend(bench.turn());
        assert_eq!(written, [format!("PUBACK {id}")]);
    }
    // It has them all the same when it looks.
    let (first, hold) = next(&idle).unwrap();
    assert_eq!((&first.payload[..], hold.is_none()), (&b"1"[..], true));
}

#[test]
fn a_subscription_that_is_read_slowly_is_let_go_of_only_where_it_holds_others_up() {
    let mut bench = Bench::connected(config(), &[]);
    let (stream, _granted) = bench.subscribe("answer");
    bench.turn();
    bench.answer("SUBSCRIBE");
    for id in 1..=3 {
        bench.deliver("answer", "x", id);
        let (_, hold) = next(&stream).unwrap();
        stream.done();
        // Kept until the next one is asked for.
        stream.hand_out(hold);
        bench.pass(seconds(9));
        stream.hand_out(None);
        assert_eq!(bench.turn(), [format!("PUBACK {id}")]);
    }
}

#[test]
fn a_copy_at_qos_1_is_acknowledged_when_the_handler_of_the_first_is_done() {
    let filters = [("door/+", QoS::AtLeastOnce), ("+/front", QoS::AtMostOnce)];
    let mut bench = Bench::connected(config(), &filters);
    bench.deliver("door/front", "x", 0);
    assert!(bench.deliver("door/front", "x", 7).is_empty());
    assert_eq!(bench.handle(1), ["x"]);
    let (_, hold) = bench.take(0).unwrap();
    assert!(bench.pass(seconds(9)).is_empty());
    hold.unwrap().release();
    assert_eq!(bench.turn(), ["PUBACK 7"]);
    assert!(bench.take(0).is_none() && bench.take(1).is_none(), "it is a copy");
}

#[test]
fn equal_messages_with_pauses_are_each_handled_by_both_of_overlapping_handlers() {
    for pause in [120, 1_500] {
        // One for all subscriptions that match, or one for each of them (section 3.3.5).
        for copies in [1, 2] {
            let filters = [("btn/+", QoS::AtLeastOnce), ("+/kitchen", QoS::AtLeastOnce)];
            let mut bench = Bench::connected(config(), &filters);
            let (mut heard, mut id) = ([0, 0], 0);
            for _ in 0..20 {
                for _ in 0..copies {
                    id += 1;
                    bench.deliver("btn/kitchen", "PRESS", id);
                }
                for (handler, heard) in heard.iter_mut().enumerate() {
                    *heard += bench.handle(handler).len();
                }
                bench.pass(millis(pause));
            }
            assert_eq!(heard, [20, 20], "{pause} ms, {copies} copies");
            assert!(!bench.session.has_unacknowledged());
        }
    }
}

/// More than is kept at the same time: the rest is taken on further connections.
#[test]
fn what_there_is_no_room_for_is_left_to_the_broker_and_comes_later() {
    let mut bench = Bench::connected(config(), &[("large", QoS::AtLeastOnce)]);
    // One and the same memory, which counts each time.
    let payload = bytes::Bytes::from(vec![7; 16 << 20]);
    let mut left: VecDeque<u16> = (1..=20).collect();
    let mut connections = 1;
    loop {
        for &id in &left {
            let message = Message {
                topic: "large".into(),
                payload: payload.clone(),
                dup: connections > 1,
                ..empty()
            };
            assert!(bench.receive(Packet::Publish { id, message }).is_empty());
        }
        assert_eq!(bench.session.wants(), Wants::Serve, "what has come is handled first");
        while let Some((_, hold)) = bench.take(0) {
            bench.pass(seconds(2));
            hold.into_iter().for_each(Hold::release);
            for acknowledged in bench.turn() {
                let id = left.pop_front().unwrap();
                assert_eq!(acknowledged, format!("PUBACK {id}"), "in order");
            }
        }
        if left.is_empty() {
            break;
        }
        // Without a pause: it is not the broker that ended the connection.
        assert!(bench.connect(true).is_empty());
        connections += 1;
    }
    assert_eq!(connections, 2, "fifteen fit into 256 MiB");
}

#[test]
fn a_copy_that_promises_more_is_handled_where_there_was_no_room_for_the_first() {
    let filters = [("a/+", QoS::AtLeastOnce), ("+/b", QoS::AtLeastOnce)];
    let mut bench = Bench::connected(config(), &filters);
    bench.deliver("a/b", "first", 0);
    for _ in 0..QUEUE {
        bench.deliver("a/x", "flood", 0);
    }
    assert!(bench.deliver("a/b", "first", 7).is_empty());
    let handled = bench.handle(0);
    assert_eq!(handled.iter().filter(|payload| *payload == "first").count(), 1);
    assert!(bench.turn().is_empty(), "the other one has it too");
    bench.handle(1);
    assert_eq!(bench.turn(), ["PUBACK 7"]);
}

#[test]
fn nothing_of_an_earlier_connection_has_copies_on_the_next_one() {
    let filters = [("btn/+", QoS::AtMostOnce), ("+/kitchen", QoS::AtMostOnce)];
    let mut bench = Bench::connected(config().reconnect_delay(millis(100), millis(200)), &filters);
    // The broker is known to send one for each, of which the last is on its way.
    for payload in ["1", "1", "2", "2", "3", "3", "4", "4", "5"] {
        bench.deliver("btn/kitchen", payload, 0);
    }
    assert_eq!(bench.handle(0), ["1", "2", "3", "4", "5"]);
    bench.lose();
    bench.wait_to_dial();
    bench.connect(true);
    bench.deliver("btn/kitchen", "5", 0);
    assert_eq!(bench.handle(0), ["5"]);
}

#[test]
fn a_broker_without_the_session_sends_other_messages_under_the_same_identifiers() {
    let mut bench = Bench::connected(config(), &[("work", QoS::ExactlyOnce)]);
    let publish = |dup| {
        let message = Message { topic: "work".into(), qos: QoS::ExactlyOnce, dup, ..empty() };
        Packet::Publish { id: 7, message }
    };
    for session_present in [true, false] {
        bench.receive(publish(false));
        assert_eq!(bench.handle(0).len(), 1);
        assert_eq!(bench.turn(), ["PUBREC 7"]);
        bench.lose();
        bench.wait_to_dial();
        bench.connect(session_present);
        bench.answer("SUBSCRIBE");
        bench.receive(publish(true));
        assert_eq!(bench.handle(0).is_empty(), session_present);
    }
}
