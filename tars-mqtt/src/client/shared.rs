use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{OnceCell, mpsc, watch};

use super::Client;
use super::answers::Answers;
use crate::config::Config;
use crate::delivery::{Outbox, Wake};
use crate::error::Result;
use crate::session::{Command, ConnectionState, HealthSlot};
use crate::task::BoxFuture;
use crate::wire::TrafficTap;

/// What all clones of a client share with the connection's task.
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) wake: Arc<Wake>,
    pub(crate) commands: mpsc::UnboundedSender<Box<Command>>,
    pub(crate) state: watch::Receiver<ConnectionState>,
    pub(crate) tap: TrafficTap,
    /// Whether the connection ended without having been told to, because its runtime is gone.
    pub(crate) aborted: Arc<AtomicBool>,
    /// What the service says of itself.
    pub(crate) health: Arc<HealthSlot>,
    /// Whether handlers wait for what this client does.
    pub(crate) has_handlers: bool,
    /// Numbers the client's streams.
    pub(crate) streams: AtomicU64,
    /// The service that this is the client of.
    pub(crate) service: OnceLock<Arc<dyn Service>>,
    /// Who waits for an answer.
    pub(crate) answers: AnswersByKind,
}

/// A service, as far as its client knows it.
pub(crate) trait Service: Send + Sync {
    /// Ends it in order, because its client was told to shut down.
    fn shutdown(self: Arc<Self>, client: Client) -> BoxFuture<Result<()>>;
}

/// Those who wait for answers, by the topic answers come on and its quality of service. A place is
/// empty while the broker has not agreed to the subscription.
pub(crate) type AnswersByKind = Mutex<HashMap<(&'static str, u8), Arc<OnceCell<Arc<Answers>>>>>;
