//! Who may come in, and what they may publish and subscribe to.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use mqtt5::broker::storage::ClientSession;
use mqtt5::broker::{AuthProvider, AuthResult, StorageBackend};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;

use super::{Guard, is_connected, lock};
use crate::broker::limits::MAX_TOPIC;
use crate::log::quoted;

impl Guard {
    async fn admit(&self, connect: &ConnectPacket, peer: SocketAddr) -> AuthResult {
        let admitted = match &self.users {
            Some(users) => users.check(connect),
            None => AuthResult::success(),
        };
        if !admitted.authenticated {
            self.refuse(connect, peer, "user name or password is wrong");
            return admitted;
        }
        let client: Arc<str> = connect.client_id.as_str().into();
        let takes_over = lock(&self.connections)
            .values()
            .any(|one| is_connected(one) && one.client().is_some_and(|id| id == client));
        if !takes_over && self.connected() >= self.limits.clients && !self.displace() {
            self.refuse(connect, peer, "as many clients are connected as may be");
            return AuthResult::fail(ReasonCode::QuotaExceeded);
        }
        let clean = ClientSession::expiry_from_connect(connect) == Some(0);
        if !clean && !self.has_room_for_session(&client).await {
            self.refuse(connect, peer, "as many sessions are kept as may be");
            return AuthResult::fail(ReasonCode::QuotaExceeded);
        }
        let handle = self.storage.queue_handle(&client);
        lock(&self.backlog).add(Arc::clone(&client), handle, 0);
        if let Some(connection) = lock(&self.connections).get(&peer) {
            connection.accept(Arc::clone(&client), clean);
        }
        if let Some(suppressed) = self.coming.allow() {
            let client = quoted(&client);
            tracing::info!(%client, %peer, suppressed, "client connected");
        }
        admitted
    }

    fn refuse(&self, connect: &ConnectPacket, peer: SocketAddr, reason: &'static str) {
        if let Some(suppressed) = self.trouble.allow() {
            let client = quoted(&connect.client_id);
            tracing::warn!(%client, %peer, reason, suppressed, "client refused");
        }
    }

    /// Whether this client has a session, or may have another. Absent sessions without a
    /// subscription keep nothing, and go first.
    async fn has_room_for_session(&self, client: &str) -> bool {
        if matches!(self.storage.get_session(client).await, Ok(Some(_))) {
            return true;
        }
        let Ok(kept) = self.storage.session_client_ids().await else { return false };
        let clean = lock(&self.connections).values().filter(|one| one.is_clean()).count();
        if kept.len().saturating_sub(clean) < self.limits.sessions {
            return true;
        }
        for other in kept {
            let Ok(Some(session)) = self.storage.get_session(&other).await else { continue };
            if !session.connected && session.subscriptions.is_empty() {
                lock(&self.backlog).remove(&other);
                return self.storage.remove_session(&other).await.is_ok();
            }
        }
        false
    }

    /// Sets how large a message may be that is retained on this topic: `mqtt5` compares it right
    /// after it has asked whether the client may publish.
    fn make_room_for_retained(&self, topic: &str) {
        if let Some(router) = self.router() {
            let retained = lock(&self.retained);
            let room = retained.room(topic, self.limits.retained_bytes);
            // It would count what the broker itself retains. One is full but for what is there
            // already, and 0 is without limit.
            let full = retained.is_full(topic, self.limits.retained_messages);
            router.update_retained_limits(usize::from(full), room);
        }
    }
}

impl AuthProvider for Guard {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        peer: SocketAddr,
    ) -> Pin<Box<dyn Future<Output = mqtt5::Result<AuthResult>> + Send + 'a>> {
        Box::pin(async move { Ok(self.admit(connect, peer).await) })
    }

    fn authorize_publish<'a>(
        &'a self,
        _client: &str,
        _user: Option<&'a str>,
        topic: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        self.make_room_for_retained(topic);
        Box::pin(ready(true))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        _client: &str,
        _user: Option<&'a str>,
        filter: &'a str,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(ready(filter.len() <= MAX_TOPIC))
    }
}
