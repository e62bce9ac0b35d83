//! The session with the broker, as a state machine: what comes in, what goes out, and what is due
//! when.
//!
//! It knows no socket, no clock and no task, and waits for nothing. Whoever drives it says what time
//! it is, what has come and what has become of the connection, and does what it wants: see
//! [`Session::wants`]. All that decides about delivery is in here, on state that nobody else touches,
//! so that a simulator can take it through any schedule.

mod backoff;
mod commands;
mod connection;
mod copies;
mod ending;
mod health;
mod id_set;
mod inbox;
mod outgoing;
mod own_requests;
mod packet_ids;
mod phase;
mod receive;
#[cfg(test)]
mod sim;
mod subscriptions;
mod targets;
#[cfg(test)]
mod tests;
mod timeout;
mod transmit;
mod vitals;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

pub(crate) use health::{HealthReport, HealthSlot};
pub(crate) use phase::{ConnectFailure, Wants};
pub(crate) use targets::NewTarget;

use crate::config::Config;
use crate::delivery::{Outbox, Queue, Wake};
use crate::error::Result;
use crate::log::LogLimit;
use crate::message::Message;
use crate::qos::QoS;
use crate::wire::{LastWill, Packet, RawPacket};
use backoff::Backoff;
use connection::Connection;
use copies::Copies;
use ending::Stop;
use health::Health;
use inbox::Inbox;
use outgoing::Outgoing;
use own_requests::OwnRequests;
use packet_ids::PacketIds;
use phase::Phase;
use subscriptions::{Subscriber, Subscriptions};
use targets::Targets;

/// Whether the broker is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// A connection is being made.
    Connecting,
    /// The connection is up, the broker has acknowledged every subscription, and was heard from
    /// lately.
    Connected,
    /// The connection is lost; another one is made after a pause.
    Disconnected,
    /// The client has shut down, or was refused for good.
    Stopped,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Stopped => "stopped",
        })
    }
}

/// Names one that messages are handed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TargetId(usize);

/// What clients ask of the session. Not to be shown: a packet may hold a login.
pub(crate) enum Command {
    Subscribe {
        /// A number of the client's choice.
        stream: u64,
        filter: String,
        qos: QoS,
        queue: Arc<Queue>,
        done_on_receive: bool,
        done: oneshot::Sender<Result<()>>,
    },
    Unsubscribe {
        stream: u64,
    },
    /// A request is about to be published, which a handler of this service may take.
    OwnRequest {
        message: Message,
        /// Gone once nobody waits for the answer any more.
        wanted: Weak<()>,
    },
    /// Sends a packet past the session, if there is a connection.
    Send {
        packet: RawPacket,
        done: oneshot::Sender<Result<()>>,
    },
    /// Take no more messages; what has come is still acknowledged.
    Quiesce,
    /// Answers with an error where messages were left behind.
    Shutdown {
        deadline: Instant,
        done: oneshot::Sender<Result<()>>,
    },
}

/// One that messages are handed to from the start, with its subscription.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) target: NewTarget,
    /// The filter as it is subscribed to, with `$share` where there is a group.
    pub(crate) subscription: String,
    pub(crate) qos: QoS,
}

/// What the session shares with those who use it.
pub(crate) struct Ports {
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) state: watch::Sender<ConnectionState>,
    /// What the service says of itself.
    pub(crate) health: Arc<HealthSlot>,
}

/// The session: all that outlives a single connection to the broker, and what is known of that.
pub(crate) struct Session {
    config: Arc<Config>,
    outbox: Arc<Outbox>,
    wake: Arc<Wake>,
    state: watch::Sender<ConnectionState>,
    phase: Phase,
    connection: Connection,
    /// Told once how the first connection went.
    started: Option<oneshot::Sender<Result<()>>>,
    targets: Targets,
    subscriptions: Subscriptions,
    /// Other sessions of the same service, without which it is not well.
    others: Vec<watch::Receiver<ConnectionState>>,
    /// The session to be woken when the state of this one changes.
    observer: Option<Arc<Wake>>,
    copies: Copies,
    own_requests: OwnRequests,
    inbox: Inbox,
    outgoing: Outgoing,
    /// Answers to what came, which go out first.
    answers: Vec<Packet>,
    ids: PacketIds,
    health: Health,
    backoff: Backoff,
    stop: Option<Stop>,
    /// No more messages are taken.
    quiesced: bool,
    unexpected: LogLimit,
    /// Packets that the program sends past the session, and that wait for room.
    external: VecDeque<(RawPacket, oneshot::Sender<Result<()>>)>,
    /// What was asked for at the start was refused; there is no point in going on.
    failed: bool,
    /// Connections in a row that the broker has ended soon.
    thrown_out: u32,
    ended: bool,
}

impl Session {
    pub(crate) fn new(config: Arc<Config>, ports: Ports, now: Instant) -> Self {
        let Ports { outbox, wake, state, health } = ports;
        Self {
            outbox,
            state,
            phase: Phase::Dialing,
            connection: Connection::new(&config, now),
            started: None,
            targets: Targets::new(wake.clone()),
            wake,
            subscriptions: Subscriptions::default(),
            others: Vec::new(),
            observer: None,
            copies: Copies::default(),
            own_requests: OwnRequests::default(),
            inbox: Inbox::default(),
            outgoing: Outgoing::new(&config),
            answers: Vec::new(),
            ids: PacketIds::default(),
            health: Health::new(config.clone(), health),
            backoff: Backoff::new(config.reconnect_delays()),
            config,
            stop: None,
            quiesced: false,
            unexpected: LogLimit::default(),
            external: VecDeque::new(),
            failed: false,
            thrown_out: 0,
            ended: false,
        }
    }

    /// Makes the health of this session depend on another one of the same service.
    pub(crate) fn depend_on(&mut self, other: &mut Self) {
        self.others.push(other.state.subscribe());
        other.observer = Some(self.wake.clone());
        other.wake.join(&self.wake);
    }

    /// Subscribes for those that are there from the start. What is returned tells how the first
    /// connection went: `Ok` once every subscription is acknowledged.
    pub(crate) fn start(&mut self, plans: Vec<Plan>) -> oneshot::Receiver<Result<()>> {
        let mut wanted = Vec::new();
        for Plan { target, subscription, qos } in plans {
            let name = target.name.clone();
            let target = self.targets.add(target);
            wanted.push((
                subscription,
                qos,
                Subscriber { target, name, done: None, ephemeral: false },
            ));
        }
        self.subscriptions.add_all(wanted);
        self.copies.set_filters(self.subscriptions.plain_filters());
        let (started, outcome) = oneshot::channel();
        self.started = Some(started);
        outcome
    }

    /// What the broker is to publish if this client vanishes.
    pub(crate) fn last_will(&self) -> Option<LastWill> {
        self.health.last_will()
    }

    /// Whether the other sessions of the service are good.
    fn others_are_connected(&self) -> bool {
        self.others.iter().all(|state| *state.borrow() == ConnectionState::Connected)
    }

    fn set_state(&self, state: ConnectionState) {
        let is_new =
            self.state.send_if_modified(|current| std::mem::replace(current, state) != state);
        if let Some(observer) = self.observer.as_ref().filter(|_| is_new) {
            observer.wake();
        }
    }

    /// Messages that the broker does not have yet.
    fn unfinished(&self) -> usize {
        self.outgoing.unfinished() + self.outbox.len()
    }
}
