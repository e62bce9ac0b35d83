//! Keeps what a broker holds for its clients within its limits.
//!
//! `mqtt5` bounds the number of messages for each client, the filters, and the retained messages
//! by number. What it does not bound is bounded here: connections that have not finished
//! connecting, sessions, and bytes. It asks the [`Guard`] whether a client may come in, and tells
//! it of each message before it is routed.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::{DynamicStorage, StorageBackend};

use super::connection::{Connection, Totals};
use super::limits::{IDLE, Limits};
use super::users::Users;
use crate::log::{LogLimit, quoted};

mod admission;
mod backlog;
mod retained;
mod routing;

use backlog::Backlog;
use retained::Retained;

/// The limits of one broker, and what counts against them.
pub(super) struct Guard {
    limits: Limits,
    users: Option<Users>,
    storage: Arc<DynamicStorage>,
    router: OnceLock<Weak<MessageRouter>>,
    totals: Arc<Totals>,
    connections: Mutex<HashMap<SocketAddr, Arc<Connection>>>,
    backlog: Mutex<Backlog>,
    retained: Mutex<Retained>,
    coming: LogLimit,
    trouble: LogLimit,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guard {
    pub(super) fn new(limits: Limits, users: Option<Users>, storage: Arc<DynamicStorage>) -> Self {
        Self {
            limits,
            users,
            storage,
            router: OnceLock::new(),
            totals: Arc::default(),
            connections: Mutex::default(),
            backlog: Mutex::default(),
            retained: Mutex::default(),
            coming: LogLimit::default(),
            trouble: LogLimit::default(),
        }
    }

    /// The router has the guard, and the guard must not keep the router.
    pub(super) fn attach(&self, router: &Arc<MessageRouter>) {
        // It is attached once.
        let _ = self.router.set(Arc::downgrade(router));
    }

    fn router(&self) -> Option<Arc<MessageRouter>> {
        self.router.get().and_then(Weak::upgrade)
    }

    /// Counts what the storage held when the broker started.
    pub(super) async fn recover(&self) -> mqtt5::Result<()> {
        for (topic, message) in self.storage.get_retained_messages("#").await? {
            lock(&self.retained).set(&topic, message.payload.len());
        }
        for client in self.storage.session_client_ids().await? {
            let queued = self.storage.get_queued_messages(&client).await?;
            let bytes = queued.iter().map(mqtt5::broker::storage::QueuedMessage::footprint).sum();
            let handle = self.storage.queue_handle(&client);
            lock(&self.backlog).add(client.into(), handle, bytes);
        }
        Ok(())
    }

    /// Forgets the sessions that have ended; called from time to time.
    pub(super) async fn sweep(&self) {
        if let Ok(known) = self.storage.session_client_ids().await {
            let known = known.into_iter().collect();
            lock(&self.backlog).retain(&known);
        }
    }

    /// Takes a new connection in. Where too many have not finished connecting, the one that has
    /// taken longest goes.
    pub(super) fn open(&self, peer: SocketAddr) -> Arc<Connection> {
        let connection = Arc::new(Connection::new(peer, Arc::clone(&self.totals)));
        let mut connections = lock(&self.connections);
        connections.insert(peer, Arc::clone(&connection));
        let waiting = |one: &&Arc<Connection>| one.client().is_none() && one.closing().is_none();
        let all = connections.values().filter(waiting);
        if all.clone().count() > self.limits.unconnected
            && let Some(oldest) = all.min_by_key(|one| one.since)
        {
            oldest.close("too many clients have not sent CONNECT");
        }
        connection
    }

    /// The connection has ended, with this outcome.
    pub(super) fn ended(&self, connection: &Arc<Connection>, outcome: mqtt5::Result<()>) {
        {
            let mut connections = lock(&self.connections);
            // Its port may be another client's by now.
            if connections.get(&connection.peer).is_some_and(|one| Arc::ptr_eq(one, connection)) {
                connections.remove(&connection.peer);
            }
        }
        let client = connection.client().unwrap_or_default();
        let client = quoted(&client);
        let peer = connection.peer;
        match (connection.closing(), outcome) {
            (None, outcome) if outcome.as_ref().map_or_else(is_ordinary, |()| true) => {
                if let Some(suppressed) = self.coming.allow() {
                    tracing::info!(%client, %peer, suppressed, "client disconnected");
                }
            }
            (closing, outcome) => {
                let reason = match (closing, outcome) {
                    (Some(reason), _) => reason.to_owned(),
                    (None, Err(e)) => e.to_string(),
                    (None, Ok(())) => String::new(),
                };
                if let Some(suppressed) = self.trouble.allow() {
                    let reason = quoted(&reason);
                    tracing::warn!(%client, %peer, %reason, suppressed, "connection closed");
                }
            }
        }
    }

    fn connected(&self) -> usize {
        lock(&self.connections).values().filter(|one| is_connected(one)).count()
    }

    /// Makes room for another client: the one goes that has done nothing for longest since it
    /// connected. False if there is none.
    fn displace(&self) -> bool {
        let connections = lock(&self.connections);
        let now = Instant::now();
        let idle = connections
            .values()
            .filter(|one| one.is_idle() && now.duration_since(one.since) >= IDLE)
            .min_by_key(|one| one.since);
        idle.inspect(|one| one.close("it did nothing, and another client needs its place"))
            .is_some()
    }

    /// The connection for which the most is held.
    fn heaviest(&self) -> Option<(Arc<Connection>, usize)> {
        let connections = lock(&self.connections);
        let weighed = connections.values().map(|one| (Arc::clone(one), one.held()));
        weighed.max_by_key(|(_, held)| *held)
    }
}

fn is_connected(connection: &Connection) -> bool {
    connection.closing().is_none() && connection.client().is_some()
}

/// A client that goes away without a word is no trouble of the broker's.
fn is_ordinary(error: &mqtt5::MqttError) -> bool {
    match error {
        // It tells of some of them only.
        mqtt5::MqttError::Io(reason) => {
            error.is_normal_disconnect()
                || ["Broken pipe", "Connection aborted", "os error 103", "os error 32"]
                    .iter()
                    .any(|gone| reason.contains(gone))
        }
        _ => error.is_normal_disconnect(),
    }
}
