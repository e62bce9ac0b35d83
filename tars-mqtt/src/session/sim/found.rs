//! Schedules that have broken something once, as they were when they had been shortened.

use Dialed::Ok as Accepted;
use Step::{
    Arrives, BrokerReads, Cut, Dial, DropSubscription, Kill, Pass, PassToTimeout, Publish, Refuse,
    SessionReads, Shutdown, Subscribe,
};

use super::run::play;
use super::step::{Dialed, Setup, Step};
use crate::qos::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

/// A broker and a service without peculiarities.
const PLAIN: Setup = Setup {
    window: 8,
    window_qos2: 1,
    room: 1024,
    publish_timeout: false,
    health: false,
    heartbeat: false,
    marks_again: true,
    clean_session: false,
    resubscribes: false,
    handlers: 0b11_1111,
    broker_window: 20,
    one_for_each: false,
    lowest_ids: true,
    closes_for_bad: false,
    ignores_bad: false,
    sets_aside: false,
    max_filters: 100,
    socket: 1000,
};

const BROKEN: Step = Cut { by_broker: false, loses_session: false };
const CLOSED: Step = Cut { by_broker: true, loses_session: false };

/// Whatever the pauses and identifiers are.
#[track_caller]
fn holds(setup: Setup, steps: &[Step]) {
    for seed in 0..20 {
        holds_with(seed, setup, steps);
    }
}

/// With the pauses and identifiers of a seed, where it depends on them.
#[track_caller]
fn holds_with(seed: u64, setup: Setup, steps: &[Step]) {
    if let Err(sentence) = play(seed, setup, steps) {
        panic!("{sentence}");
    }
}

fn publish(topic: u8, qos: crate::qos::QoS) -> Step {
    Publish { topic, qos }
}

fn subscribe(filter: u8) -> Step {
    Subscribe { filter, qos: ExactlyOnce, done_on_receive: false }
}

#[test]
fn a_message_that_expires_without_a_connection_leaves_no_identifier_in_use() {
    let setup = Setup { publish_timeout: true, ..PLAIN };
    holds(setup, &[Dial(Accepted), publish(0, AtLeastOnce), BROKEN, Pass(11_000)]);
    holds(setup, &[Dial(Accepted), publish(0, ExactlyOnce), BROKEN, Pass(11_000)]);
}

#[test]
fn a_message_behind_what_is_said_of_the_service_expires_in_time() {
    let setup = Setup { publish_timeout: true, health: true, ..PLAIN };
    let begin = [Dial(Accepted), BrokerReads(3), SessionReads(3)];
    holds(setup, &[&begin[..], &[publish(1, AtLeastOnce), PassToTimeout, Pass(5_000)]].concat());
}

#[test]
fn a_subscription_whose_end_was_not_heard_is_given_up_on_the_next_connection() {
    let steps = [subscribe(0), Dial(Accepted), DropSubscription(0), BrokerReads(1), BROKEN];
    holds(PLAIN, &steps);
}

#[test]
fn a_message_behind_one_that_was_released_is_suspected_too() {
    let setup =
        Setup { window_qos2: 5, closes_for_bad: true, sets_aside: true, socket: 3, ..PLAIN };
    holds(setup, &[Dial(Accepted), Kill, publish(1, ExactlyOnce), publish(3, ExactlyOnce)]);
}

#[test]
fn a_timer_for_a_full_window_does_not_ring_when_it_is_full_no_more() {
    let setup = Setup { window: 1, ..PLAIN };
    holds(
        setup,
        &[
            Dial(Accepted),
            publish(0, AtLeastOnce),
            publish(0, AtLeastOnce),
            BrokerReads(9),
            SessionReads(9),
            Pass(11_000),
        ],
    );
}

#[test]
fn a_heartbeat_waits_until_all_is_well() {
    let setup = Setup { heartbeat: true, health: true, ..PLAIN };
    holds(setup, &[Dial(Accepted), Pass(100)]);
    let healthy = [Dial(Accepted), BrokerReads(5), SessionReads(3), Pass(11_000)];
    holds(setup, &[&healthy[..], &[Shutdown(5_000), Pass(11_000)]].concat());
}

#[test]
fn a_suspect_waits_for_room_in_the_window() {
    let setup = Setup { window: 1, closes_for_bad: true, sets_aside: true, ..PLAIN };
    let connections = [Dial(Accepted), CLOSED, PassToTimeout].repeat(3);
    let steps = [publish(2, ExactlyOnce), publish(3, AtLeastOnce)];
    holds(setup, &[&steps, &connections[..], &[Dial(Accepted), Pass(60_000)]].concat());
}

#[test]
fn a_stream_that_ends_while_reading_waits_for_it_leaves_no_timer() {
    let arrives = Arrives { topic: 4, qos: AtMostOnce, retain: false };
    let begin = [subscribe(0), Dial(Accepted), BrokerReads(9), SessionReads(9)];
    let flood = [arrives].repeat(9);
    let end = [SessionReads(9), DropSubscription(0), Pass(250), Pass(250)];
    holds(PLAIN, &[&begin[..], &flood, &end].concat());
}

/// A broker that closes the connection for some messages, which are set aside then.
const CLOSING: Setup = Setup { closes_for_bad: true, sets_aside: true, health: true, ..PLAIN };

#[test]
fn a_filter_that_was_accused_wrongly_is_asked_for_again_while_the_connection_lasts() {
    let setup = Setup {
        window: 1,
        handlers: 14,
        heartbeat: true,
        resubscribes: true,
        lowest_ids: false,
        ..CLOSING
    };
    holds_with(4_294_967_336, setup, &[publish(3, ExactlyOnce), publish(3, ExactlyOnce)]);
}

#[test]
fn a_filter_that_was_refused_for_a_while_is_asked_for_again() {
    let setup = Setup { clean_session: true, handlers: 59, ..PLAIN };
    let refuse = Refuse { filter: 3, refuses: true };
    let first = [Dial(Accepted), BrokerReads(1), refuse, SessionReads(4), Pass(60_000)];
    holds(setup, &[&first[..], &[Dial(Accepted), BrokerReads(2)]].concat());
}

#[test]
fn what_is_said_of_the_service_may_go_unanswered() {
    let setup = Setup {
        window: 2,
        window_qos2: 5,
        room: 2,
        handlers: 5,
        one_for_each: true,
        lowest_ids: false,
        socket: 1,
        closes_for_bad: false,
        ..CLOSING
    };
    let steps = [
        Dial(Accepted),
        Kill,
        publish(3, ExactlyOnce),
        publish(2, ExactlyOnce),
        Dial(Accepted),
        BrokerReads(5),
        SessionReads(4),
        CLOSED,
        Pass(1_000),
        Dial(Accepted),
        Pass(11_000),
    ];
    holds_with(4_294_978_736, setup, &steps);
}

#[test]
fn a_stream_that_was_refused_leaves_no_subscription_behind() {
    let setup =
        Setup { window: 3, handlers: 54, broker_window: 1000, lowest_ids: false, ..CLOSING };
    let stream = |filter, qos, done_on_receive| Subscribe { filter, qos, done_on_receive };
    let steps = [
        stream(2, AtMostOnce, true),
        Dial(Accepted),
        BrokerReads(2),
        stream(1, ExactlyOnce, false),
        SessionReads(5),
        publish(3, AtLeastOnce),
    ];
    holds_with(4_294_971_341, setup, &steps);
    let granted = [subscribe(3), Dial(Accepted), BrokerReads(4)];
    let setup = Setup { handlers: 0b10_1101, ..PLAIN };
    let refuse = Refuse { filter: 1, refuses: true };
    holds(setup, &[&granted[..], &[refuse, Pass(11_000), Dial(Accepted), BrokerReads(3)]].concat());
}

#[test]
fn a_filter_that_is_wanted_while_it_is_suspected_is_not_forgotten() {
    let setup = Setup {
        window: 256,
        window_qos2: 5,
        room: 5,
        handlers: 17,
        broker_window: 1000,
        lowest_ids: false,
        max_filters: 2,
        ..CLOSING
    };
    let lost = Cut { by_broker: false, loses_session: true };
    let steps = [
        Dial(Accepted),
        lost,
        Pass(250),
        Dial(Accepted),
        BROKEN,
        publish(3, ExactlyOnce),
        Pass(2_500),
        Dial(Accepted),
        CLOSED,
        Pass(60_000),
        Dial(Accepted),
        lost,
        Subscribe { filter: 2, qos: AtMostOnce, done_on_receive: true },
    ];
    holds_with(4_294_986_038, setup, &steps);
}

#[test]
fn a_service_says_goodbye_also_where_its_health_seemed_to_be_refused() {
    let setup = Setup { window: 1, handlers: 26, max_filters: 2, closes_for_bad: false, ..CLOSING };
    let steps = [
        Dial(Accepted),
        Kill,
        Dial(Accepted),
        publish(2, AtLeastOnce),
        BrokerReads(3),
        Arrives { topic: 3, qos: AtLeastOnce, retain: false },
        SessionReads(3),
        CLOSED,
        Pass(21),
        Dial(Accepted),
        CLOSED,
        Pass(21),
        Dial(Accepted),
        Step::RollsBack,
    ];
    holds_with(4_295_084_402, setup, &steps);
}

#[test]
fn a_shutdown_ends_in_time_whatever_the_broker_ignores() {
    let setup = Setup { health: true, ignores_bad: true, handlers: 42, ..PLAIN };
    holds(setup, &[publish(3, AtLeastOnce)]);
}

#[test]
fn a_message_that_was_set_aside_expires_in_its_time_behind_later_ones() {
    let setup = Setup {
        window_qos2: 2,
        publish_timeout: true,
        handlers: 50,
        broker_window: 1,
        one_for_each: true,
        lowest_ids: false,
        marks_again: false,
        ignores_bad: true,
        sets_aside: true,
        max_filters: 2,
        socket: 3,
        ..PLAIN
    };
    let steps = [
        publish(3, AtLeastOnce),
        Dial(Accepted),
        BROKEN,
        Pass(250),
        Dial(Accepted),
        BROKEN,
        PassToTimeout,
        Dial(Accepted),
        publish(3, ExactlyOnce),
        BROKEN,
    ];
    holds_with(4_295_200_662, setup, &steps);
}

#[test]
fn what_is_set_aside_at_qos_2_keeps_its_place_at_the_broker() {
    let setup = Setup {
        window: 3,
        room: 2,
        handlers: 28,
        broker_window: 1000,
        one_for_each: true,
        lowest_ids: false,
        ..CLOSING
    };
    let steps = [publish(0, ExactlyOnce), publish(3, AtLeastOnce), publish(2, ExactlyOnce)];
    holds_with(4_294_968_027, setup, &steps);
}

#[test]
fn what_waits_to_be_sent_again_lets_one_that_is_set_aside_go_first() {
    let setup = Setup {
        window: 2,
        handlers: 13,
        broker_window: 2,
        lowest_ids: false,
        marks_again: false,
        max_filters: 1,
        health: false,
        ..CLOSING
    };
    let steps = [
        publish(0, ExactlyOnce),
        publish(3, AtLeastOnce),
        Dial(Accepted),
        publish(0, ExactlyOnce),
        PassToTimeout,
        Step::Stray(211, 9),
    ];
    holds_with(4_295_789_340, setup, &steps);
}

#[test]
fn a_message_that_expires_while_it_is_set_aside_is_released() {
    let setup = Setup {
        window: 2,
        window_qos2: 5,
        room: 5,
        publish_timeout: true,
        health: false,
        resubscribes: true,
        handlers: 46,
        broker_window: 3,
        one_for_each: true,
        socket: 3,
        ..CLOSING
    };
    let steps = [publish(0, ExactlyOnce), publish(3, AtLeastOnce), Pass(250)];
    holds_with(4_294_967_465, setup, &steps);
}
