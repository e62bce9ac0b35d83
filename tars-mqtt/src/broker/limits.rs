use std::time::Duration;

const MIB: usize = 1024 * 1024;

/// The longest topic or filter, in bytes. Each subscriber's copy of a message holds its topic.
pub(super) const MAX_TOPIC: usize = 4096;

/// The most that the properties of a message may take under MQTT 5, in bytes: each subscriber's
/// copy holds them, and no limit below counts them.
pub(super) const MAX_PROPERTIES: usize = 8192;

/// The largest CONNECT, in bytes, its last will included: a session keeps the last will.
pub(super) const MAX_CONNECT: usize = 64 * 1024;

/// What a message takes beside its topic and payload, about.
pub(super) const OVERHEAD: usize = 512;

/// How long a client must have done nothing since it connected before it has to make room.
pub(super) const IDLE: Duration = Duration::from_secs(5);

/// What a broker keeps for its clients, at most. [`EmbeddedBrokerBuilder`] documents each.
///
/// [`EmbeddedBrokerBuilder`]: super::EmbeddedBrokerBuilder
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) clients: usize,
    pub(super) unconnected: usize,
    pub(super) connect_timeout: Duration,
    pub(super) sessions: usize,
    pub(super) retained_messages: usize,
    pub(super) retained_bytes: usize,
    pub(super) filters: usize,
    pub(super) queued_messages: usize,
    pub(super) queued_bytes: usize,
    pub(super) held_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 1000,
            unconnected: 100,
            connect_timeout: Duration::from_secs(10),
            sessions: 1000,
            retained_messages: 10_000,
            retained_bytes: 64 * MIB,
            filters: 2000,
            queued_messages: 10_000,
            queued_bytes: 64 * MIB,
            held_bytes: 256 * MIB,
        }
    }
}
