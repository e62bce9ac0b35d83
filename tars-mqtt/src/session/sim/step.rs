//! What can happen, and schedules of it.

use fastrand::Rng;

use crate::qos::QoS;

/// Something that happens. Numbers that choose among things that are there are taken modulo their
/// count; a step for which there is nothing there does nothing, so that a schedule stays one when
/// steps are taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Time passes, in milliseconds.
    Pass(u32),
    /// Time passes until the session has something to do.
    PassToTimeout,
    /// The attempt to connect ends.
    Dial(Dialed),
    /// The connection breaks; the broker may have kept the session or not.
    Cut { by_broker: bool, loses_session: bool },
    /// What the session writes does not leave the socket, or does again.
    Block(bool),
    /// The broker takes in so many packets.
    BrokerReads(u8),
    /// The session takes in so many packets.
    SessionReads(u8),
    /// Somebody publishes to the broker.
    Arrives { topic: u8, qos: QoS, retain: bool },
    /// The broker keeps its answers back, or gives them.
    Withhold(bool),
    /// The broker refuses a filter, or does not any more.
    Refuse { filter: u8, refuses: bool },
    /// The broker sends again what it has sent on this connection.
    SendsAgain,
    /// The broker acknowledges what was not sent to it, or once more.
    Stray(u8, u16),
    /// The broker says that it ends the connection.
    ServerDisconnects,
    /// The broker keeps what it knows, to come back to it.
    Stores,
    /// The broker is killed, and comes back with what it has kept.
    RollsBack,
    /// The program publishes.
    Publish { topic: u8, qos: QoS },
    /// The program gives up publishing while it waits for room.
    DropPublish(u8),
    /// The program subscribes.
    Subscribe { filter: u8, qos: QoS, done_on_receive: bool },
    /// The program gives up a subscription, or one that it waits for.
    DropSubscription(u8),
    /// The program takes the next message of a subscription.
    Next(u8),
    /// A handler takes messages.
    Take(u8),
    /// A message that is being handled comes to its end.
    Finish(u8, Outcome),
    /// A handler gives up asking another one.
    DropAsk(u8),
    /// The program sends a ping past the session.
    Ping,
    /// The service says how it is.
    Health(bool),
    /// No more messages are to be taken.
    Quiesce,
    /// The program shuts down, within so many milliseconds.
    Shutdown(u32),
    /// The last client is dropped.
    Orphan,
    /// The process is killed, and started again.
    Kill,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialed {
    Ok,
    Unreachable,
    Unanswered,
    Refused,
}

/// How a handler ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// It publishes an answer, which the acknowledgement waits for.
    Reply(QoS),
    /// It asks another handler of the service, and waits for that.
    Ask,
}

/// How service and broker are set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a peculiarity of its own")]
pub(super) struct Setup {
    pub(super) window: usize,
    pub(super) window_qos2: usize,
    pub(super) room: usize,
    pub(super) publish_timeout: bool,
    pub(super) health: bool,
    pub(super) heartbeat: bool,
    pub(super) clean_session: bool,
    pub(super) resubscribes: bool,
    pub(super) handlers: u8,
    /// Messages that the broker sends before it waits for acknowledgements.
    pub(super) broker_window: usize,
    /// Whether it sends a copy for each subscription that matches.
    pub(super) one_for_each: bool,
    pub(super) lowest_ids: bool,
    /// Whether it marks what it sends again.
    pub(super) marks_again: bool,
    /// Whether it closes the connection for a message on the topic `bad`.
    pub(super) closes_for_bad: bool,
    /// Whether it takes messages on that topic and never answers.
    pub(super) ignores_bad: bool,
    /// Whether messages that may be what the broker closes connections for are set aside.
    pub(super) sets_aside: bool,
    /// Filters in a SUBSCRIBE for which it closes the connection if there are more.
    pub(super) max_filters: usize,
    /// Packets in the socket from which on there is no room.
    pub(super) socket: usize,
}

pub(super) const HANDLERS: [(&str, QoS); 6] = [
    ("a/1", QoS::AtLeastOnce),
    ("b", QoS::ExactlyOnce),
    ("a/+", QoS::ExactlyOnce),
    ("c/#", QoS::AtLeastOnce),
    ("b", QoS::AtMostOnce),
    ("a/2", QoS::ExactlyOnce),
];

pub(super) const FILTERS: [&str; 4] = ["s/1", "s/+", "a/1", "b"];

/// Topics that messages come on; the last one has no handler.
pub(super) const TOPICS: [&str; 6] = ["a/1", "a/2", "b", "c/x", "s/1", "z"];

/// Topics that the program publishes on; the last one is taken amiss by some brokers.
pub(super) const OUT: [&str; 4] = ["out/1", "out/2", "b", "bad"];

impl Setup {
    pub(super) fn random(rng: &mut Rng) -> Self {
        let one_of = |rng: &mut Rng, all: &[usize]| all[rng.usize(..all.len())];
        let (closes_for_bad, ignores_bad) = match rng.u8(..12) {
            0 | 1 => (true, false),
            2 => (false, true),
            _ => (false, false),
        };
        Self {
            closes_for_bad,
            ignores_bad,
            sets_aside: closes_for_bad || rng.bool(),
            window: one_of(rng, &[1, 2, 3, 8, 256]),
            window_qos2: one_of(rng, &[1, 1, 1, 2, 5]),
            room: one_of(rng, &[2, 5, 1024]),
            publish_timeout: rng.u8(..4) == 0,
            health: rng.bool(),
            heartbeat: rng.u8(..4) == 0,
            marks_again: rng.u8(..8) > 0,
            clean_session: rng.u8(..6) == 0,
            resubscribes: rng.u8(..6) == 0,
            handlers: rng.u8(1..64),
            broker_window: one_of(rng, &[1, 2, 3, 20, 1000]),
            one_for_each: rng.u8(..3) == 0,
            lowest_ids: rng.bool(),
            max_filters: one_of(rng, &[1, 2, 100, 100]),
            socket: one_of(rng, &[1, 3, 1000, 1000]),
        }
    }
}

pub(super) fn schedule(rng: &mut Rng) -> Vec<Step> {
    let length = if rng.u8(..4) == 0 { rng.usize(60..160) } else { rng.usize(8..60) };
    (0..length).map(|_| step(rng)).collect()
}

fn qos(rng: &mut Rng) -> QoS {
    match rng.u8(..5) {
        0 => QoS::AtMostOnce,
        1 | 2 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn step(rng: &mut Rng) -> Step {
    match rng.u32(..200) {
        0..10 => {
            let passes = [1, 5, 19, 21, 100, 250, 1_000, 2_500, 11_000, 60_000];
            Step::Pass(passes[rng.usize(..passes.len())])
        }
        10..14 => Step::PassToTimeout,
        14 => Step::Stores,
        15 => Step::RollsBack,
        16..34 => Step::Dial(match rng.u8(..12) {
            0 => Dialed::Unreachable,
            1 => Dialed::Unanswered,
            2 => Dialed::Refused,
            _ => Dialed::Ok,
        }),
        34..41 => Step::Cut { by_broker: rng.bool(), loses_session: rng.u8(..5) == 0 },
        41..44 => Step::Block(rng.bool()),
        44..66 => Step::BrokerReads(rng.u8(1..6)),
        66..88 => Step::SessionReads(rng.u8(1..6)),
        88..112 => Step::Arrives { topic: rng.u8(..6), qos: qos(rng), retain: rng.u8(..8) == 0 },
        112..115 => Step::Withhold(rng.bool()),
        115..118 => Step::Refuse { filter: rng.u8(..8), refuses: rng.bool() },
        118 => Step::SendsAgain,
        119 => match rng.u8(..4) {
            0 => Step::ServerDisconnects,
            1 => Step::Stores,
            2 => Step::RollsBack,
            _ => Step::Stray(rng.u8(..), rng.u16(1..12)),
        },
        120..140 => Step::Publish { topic: rng.u8(..9) % 4, qos: qos(rng) },
        140..142 => Step::DropPublish(rng.u8(..)),
        142..147 => Step::Subscribe {
            filter: rng.u8(..4),
            qos: qos(rng),
            done_on_receive: rng.u8(..4) == 0,
        },
        147..151 => Step::DropSubscription(rng.u8(..)),
        151..154 => Step::Next(rng.u8(..)),
        154..172 => Step::Take(rng.u8(..)),
        172..194 => Step::Finish(
            rng.u8(..),
            match rng.u8(..8) {
                0 | 1 => Outcome::Reply(qos(rng)),
                2 => Outcome::Ask,
                _ => Outcome::Done,
            },
        ),
        194 => Step::Health(rng.bool()),
        195 => Step::DropAsk(rng.u8(..)),
        196 => match rng.u8(..4) {
            0 => Step::Quiesce,
            1 => Step::Orphan,
            _ => Step::Ping,
        },
        197 => Step::Shutdown(rng.u32(1..6_000)),
        _ => Step::Kill,
    }
}
