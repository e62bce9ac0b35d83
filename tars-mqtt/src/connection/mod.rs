//! The one task that owns the connection to the broker.
//!
//! It never waits for a handler, a full queue or a publisher. What it does, in a circle: read what
//! has come and lay it out for the handlers; acknowledge what they are done with, in the order in
//! which it came; write what the outbox holds; look after subscriptions, pings and health. Each
//! part keeps its own books in a file of its own; `serve` is the circle, `task` what is around it.

mod backoff;
mod commands;
mod copies;
mod health;
mod id_set;
mod inbox;
mod outgoing;
mod own_requests;
mod packet_ids;
mod receive;
mod serve;
mod subscriptions;
mod targets;
mod task;
mod vitals;

use std::fmt;
use std::sync::{Arc, Weak};

use rumqttc::Packet;
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) use health::{HealthReport, HealthSlot};
pub(crate) use inbox::Tracker;
pub(crate) use targets::NewTarget;
pub(crate) use task::{Plan, Task};

use crate::delivery::Queue;
use crate::message::Message;
use crate::{QoS, Result};

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

/// What clients ask of the connection. Not to be shown: a packet may hold a login.
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
    /// Sends a packet past the session, if there is a link.
    Send {
        packet: Packet,
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
