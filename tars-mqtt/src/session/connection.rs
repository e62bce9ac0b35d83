use tokio::time::Instant;

use super::vitals::Vitals;
use crate::config::Config;

/// What is known of a single connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) since: Instant,
    pub(super) vitals: Vitals,
    /// Every subscription is acknowledged on it, since when.
    pub(super) healthy_since: Option<Instant>,
    /// All is well now.
    pub(super) is_healthy: bool,
    /// Of the message that was last named as holding up the others.
    pub(super) warned_of: Option<Instant>,
    /// When the message came that streams were last asked to let go of.
    pub(super) let_go_of: Option<Instant>,
    pub(super) told_refusal: bool,
    /// How it ends, once that is clear.
    pub(super) end: Option<End>,
}

/// How a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// It broke, or had to be given up.
    Lost { reason: String, by_broker: bool },
    /// The broker has messages for which there was no room, and sends them on the next connection.
    Drained,
    /// Goodbye has been said.
    Stopped,
}

impl Connection {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        Self {
            since: now,
            vitals: Vitals::new(config, now),
            healthy_since: None,
            is_healthy: false,
            warned_of: None,
            let_go_of: None,
            told_refusal: false,
            end: None,
        }
    }

    /// It is to end so, unless that has been decided already.
    pub(super) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// It is given up.
    pub(super) fn give_up(&mut self, reason: impl Into<String>) {
        self.end(End::Lost { reason: reason.into(), by_broker: false });
    }
}
