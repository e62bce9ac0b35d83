//! What a session keeps.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::super::Session;
use super::super::packet_ids::PacketIds;

/// What is left in a session of what comes and goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) in_flight: usize,
    pub(super) unfinished: usize,
    pub(super) ids: usize,
    pub(super) unacknowledged: usize,
    pub(super) outbox_taken: usize,
    pub(super) asking: bool,
    pub(super) answers: usize,
    pub(super) own_requests: usize,
    pub(super) waiting_in_targets: bool,
    pub(super) received: usize,
    pub(super) external: usize,
}

impl Footprint {
    /// Whether nothing is left but so many messages that the broker ignores.
    pub(super) fn is_empty(&self, ignored: usize) -> bool {
        let bounded = Self {
            // Those that were handed over wait for the broker's copy, in bounded number.
            own_requests: self.own_requests.min(1024),
            in_flight: self.in_flight.saturating_sub(ignored),
            unfinished: self.unfinished.saturating_sub(ignored),
            ids: self.ids.saturating_sub(ignored),
            ..self.clone()
        };
        bounded
            == Self {
                in_flight: 0,
                unfinished: 0,
                ids: 0,
                unacknowledged: 0,
                outbox_taken: 0,
                asking: false,
                answers: 0,
                own_requests: bounded.own_requests,
                waiting_in_targets: false,
                received: 0,
                external: 0,
            }
    }
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Session {
    pub(super) fn footprint(&self) -> Footprint {
        Footprint {
            in_flight: self.outgoing.in_flight(),
            unfinished: self.unfinished(),
            ids: self.ids.used(),
            unacknowledged: self.inbox.len(),
            outbox_taken: self.outbox.taken(),
            asking: !self.subscriptions.all_granted(),
            answers: self.answers.len(),
            own_requests: self.own_requests.len(),
            waiting_in_targets: self.targets.has_staged(),
            received: self.inbox.received(),
            external: self.external.len(),
        }
    }

    /// A number for the state that the session is in, whatever the names, numbers and times in it.
    pub(super) fn sketch(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let connection = &self.connection;
        std::mem::discriminant(&self.phase).hash(&mut hasher);
        (connection.is_healthy, connection.told_refusal, connection.end.is_some())
            .hash(&mut hasher);
        let said_goodbye = self.stop.as_ref().map(|stop| stop.said_goodbye);
        (said_goodbye, self.quiesced, self.failed, self.thrown_out.min(3)).hash(&mut hasher);
        (self.answers.len().min(2), self.own_requests.len().min(2), self.external.len().min(2))
            .hash(&mut hasher);
        self.outgoing.sketch().hash(&mut hasher);
        self.subscriptions.sketch().hash(&mut hasher);
        self.inbox.sketch().hash(&mut hasher);
        hasher.finish()
    }

    /// Uses identifiers up to this one only, so that they come round, and that there are fewer to release.
    pub(super) fn limit_ids(&mut self, highest: u16) {
        self.ids = PacketIds::up_to(highest);
        self.outgoing.limit_ids(highest);
    }

    pub(super) fn streams(&self) -> usize {
        self.targets.streams()
    }

    pub(super) fn uses(&self, id: u16) -> bool {
        self.ids.is_used(id)
    }

    /// Whether no more messages are under way than may be.
    pub(super) fn within_window(&self) -> Result<(), String> {
        self.outgoing.within_window()
    }
}
