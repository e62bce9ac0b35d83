//! Schedules that have broken something once, as they were when they had been shortened.

use Dialed::Ok as Accepted;
use Step::{
    Arrives, BrokerReads, Cut, Dial, DropSubscription, Kill, Pass, PassToTimeout, Publish, Refuse,
    SessionReads, Shutdown, Subscribe, Withhold,
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

#[track_caller]
fn holds(setup: Setup, steps: &[Step]) {
    // Other seeds are other pauses and identifiers.
    for seed in 0..20 {
        if let Err(sentence) = play(seed, setup, steps) {
            panic!("{sentence}");
        }
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
fn a_filter_that_was_accused_wrongly_is_asked_for_again_while_the_connection_lasts() {
    let setup = Setup {
        window: 1,
        health: true,
        clean_session: true,
        closes_for_bad: true,
        sets_aside: true,
        max_filters: 2,
        ..PLAIN
    };
    holds(setup, &[subscribe(0), publish(2, AtLeastOnce), publish(3, AtLeastOnce)]);
}

#[test]
fn a_filter_that_was_refused_for_a_while_is_asked_for_again() {
    let refuse = Refuse { filter: 3, refuses: true };
    let steps = [Dial(Accepted), BrokerReads(1), SessionReads(4), refuse, BROKEN, Pass(11_000)];
    holds(PLAIN, &[&steps[..], &[Dial(Accepted), BrokerReads(2)]].concat());
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
fn one_ping_waits_to_be_written_and_no_more() {
    let setup = Setup { heartbeat: true, handlers: 0b01_0000, ..PLAIN };
    let arrives = Arrives { topic: 2, qos: AtMostOnce, retain: false };
    let begin = [Dial(Accepted), BrokerReads(5), SessionReads(5), Step::Block(true)];
    let flood = [arrives].repeat(9);
    holds(setup, &[&begin[..], &flood, &[PassToTimeout, SessionReads(9), Pass(9000)]].concat());
}

#[test]
fn a_suspect_waits_for_room_in_the_window() {
    let setup = Setup { window: 1, closes_for_bad: true, sets_aside: true, ..PLAIN };
    let connections = [Dial(Accepted), CLOSED, PassToTimeout].repeat(3);
    let steps = [publish(2, ExactlyOnce), publish(3, AtLeastOnce)];
    holds(setup, &[&steps, &connections[..], &[Dial(Accepted), Pass(60_000)]].concat());
}

#[test]
fn what_is_said_of_the_service_may_go_unanswered() {
    let setup = Setup { health: true, sets_aside: true, publish_timeout: true, ..PLAIN };
    let connection = [Dial(Accepted), BrokerReads(3), SessionReads(5), publish(2, AtLeastOnce)];
    let connections = [&connection[..], &[CLOSED, PassToTimeout]].concat().repeat(4);
    holds(setup, &[&connections[..], &connection, &[Withhold(true), Pass(11_000)]].concat());
}

#[test]
fn a_stream_that_was_refused_leaves_no_subscription_behind() {
    let refuse = Refuse { filter: 6, refuses: true };
    holds(
        PLAIN,
        &[
            Dial(Accepted),
            refuse,
            subscribe(0),
            BrokerReads(2),
            Refuse { filter: 6, refuses: false },
            subscribe(0),
        ],
    );
    let granted = [subscribe(3), Dial(Accepted), BrokerReads(4)];
    let setup = Setup { handlers: 0b10_1101, ..PLAIN };
    let refuse = Refuse { filter: 1, refuses: true };
    holds(setup, &[&granted[..], &[refuse, BROKEN, Pass(11_000), Dial(Accepted)]].concat());
}

#[test]
fn a_stream_that_ends_while_reading_waits_for_it_leaves_no_timer() {
    let arrives = Arrives { topic: 4, qos: AtMostOnce, retain: false };
    let begin = [subscribe(0), Dial(Accepted), BrokerReads(9), SessionReads(9)];
    let flood = [arrives].repeat(9);
    let end = [SessionReads(9), DropSubscription(0), Pass(250), Pass(250)];
    holds(PLAIN, &[&begin[..], &flood, &end].concat());
}

#[test]
fn a_filter_that_is_wanted_while_it_is_suspected_is_not_forgotten() {
    let setup = Setup { handlers: 1, closes_for_bad: true, sets_aside: true, ..PLAIN };
    let connection = [Dial(Accepted), BrokerReads(5), PassToTimeout];
    let steps = [
        &[Dial(Accepted), publish(3, ExactlyOnce), BrokerReads(5), Pass(2500)][..],
        &connection,
        &[Dial(Accepted), Cut { by_broker: true, loses_session: true }],
        &[subscribe(2), publish(3, ExactlyOnce)],
    ];
    holds(setup, &steps.concat());
}

#[test]
fn a_service_says_goodbye_also_where_its_health_seemed_to_be_refused() {
    let setup = Setup { health: true, sets_aside: true, ..PLAIN };
    let connection = [Dial(Accepted), BrokerReads(4), SessionReads(3), CLOSED, Pass(11_000)];
    holds(setup, &connection.repeat(4));
}

#[test]
fn a_shutdown_ends_in_time_whatever_the_broker_withholds() {
    let steps = [Dial(Accepted), publish(0, ExactlyOnce), Withhold(true), Shutdown(900)];
    holds(PLAIN, &steps);
    holds(Setup { health: true, ..PLAIN }, &steps);
}
