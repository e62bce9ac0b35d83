//! The settings that bound what a broker keeps for its clients.

use std::time::Duration;

use super::EmbeddedBrokerBuilder;

/// # Limits
///
/// What anybody who can reach the broker can make it keep. A limit that is reached is a warning in
/// the log, ten lines in ten seconds at most. Each is at least 1.
impl EmbeddedBrokerBuilder {
    /// How many clients may be connected. Default: 1000.
    ///
    /// When so many are, the next takes the place of the client that has done nothing for longest
    /// since it connected: no SUBSCRIBE and no PUBLISH, for 5 seconds at least. Where there is
    /// none, it is refused (CONNACK code 3; 0x97 in MQTT 5).
    pub fn max_clients(mut self, clients: usize) -> Self {
        self.limits.clients = clients.max(1);
        self
    }

    /// How many connections may be open that have not sent CONNECT. Default: 100.
    ///
    /// The next one closes the oldest of them, so that others still get in during a flood.
    pub fn max_unconnected(mut self, connections: usize) -> Self {
        self.limits.unconnected = connections.max(1);
        self
    }

    /// How long a client may take until its CONNECT is complete. Default: 10 seconds, and no more.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.limits.connect_timeout = timeout;
        self
    }

    /// How many sessions are kept, of clients connected or not; those that end with the connection
    /// do not count. Default: 1000.
    ///
    /// A client that needs one more takes the place of an absent session without a subscription,
    /// and is refused where there is none (CONNACK code 3; 0x97 in MQTT 5).
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.limits.sessions = sessions.max(1);
        self
    }

    /// How many retained messages are kept, the broker's own not counted. Default: 10,000.
    ///
    /// One more is refused (reason 0x97 in MQTT 5; MQTT 3.1.1 cannot say it, and acknowledges it).
    pub fn max_retained_messages(mut self, messages: usize) -> Self {
        self.limits.retained_messages = messages.max(1);
        self
    }

    /// How many bytes the retained messages may take: topics, payloads, and 512 bytes for each.
    /// Default: 64 MiB. One more is refused as for
    /// [`max_retained_messages`](Self::max_retained_messages).
    pub fn max_retained_bytes(mut self, bytes: usize) -> Self {
        self.limits.retained_bytes = bytes.max(1);
        self
    }

    /// How many filters a client may subscribe to. Default: 2000. One more is refused in SUBACK.
    pub fn max_filters(mut self, filters: usize) -> Self {
        self.limits.filters = filters.max(1);
        self
    }

    /// How many messages wait for a session that is away or does not keep up. Default: 10,000; the
    /// oldest go.
    pub fn max_queued_messages(mut self, messages: usize) -> Self {
        self.limits.queued_messages = messages.max(1);
        self
    }

    /// How many bytes wait for a session that is away, where the oldest messages go, and how many
    /// for a client that does not read, which is disconnected. Default: 64 MiB.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.limits.queued_bytes = bytes.max(1);
        self
    }

    /// How many bytes are held for all clients together: what waits in the queues of sessions, for
    /// clients that do not read, and for an answer to messages of QoS 1 and 2. Default: 256 MiB.
    ///
    /// Beyond it, the older half of the longest queue goes, or the client for which most is held
    /// is disconnected.
    pub fn max_held_bytes(mut self, bytes: usize) -> Self {
        self.limits.held_bytes = bytes.max(1);
        self
    }
}
