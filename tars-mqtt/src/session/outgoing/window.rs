use std::time::Duration;

use tokio::time::Instant;

use super::InFlight;
use crate::qos::QoS;
use crate::wire::{Packet, PacketSink};

/// Messages that wait for their acknowledgement at the most, those that the broker ignores included.
pub(super) const MAX_IN_FLIGHT: usize = 4096;

/// A message that has waited this long while the window is full may be one that the broker ignores.
const IGNORED_AFTER: Duration = Duration::from_secs(2);

/// How many messages may be under way to the broker at the same time.
///
/// MQTT 3.1.1 has no way to say that there are too many: some brokers then drop a message at QoS 2
/// and acknowledge it all the same (mosquitto beyond its `max_inflight_messages`).
///
/// A broker that is there and has got past a message without acknowledging it will never do so, and
/// does not keep it either. Such a message takes no place: the window would be full of them.
#[derive(Debug)]
pub(super) struct Window {
    limit: usize,
    exactly_once_limit: usize,
    open: usize,
    open_exactly_once: usize,
    pings_sent: u64,
    pings_answered: u64,
    /// A ping that shows whether the broker has got past what was sent before it.
    probe: Option<(u64, Instant)>,
    look_at: Option<Instant>,
}

impl Window {
    pub(super) fn new((limit, exactly_once_limit): (usize, usize)) -> Self {
        Self {
            limit,
            exactly_once_limit,
            open: 0,
            open_exactly_once: 0,
            pings_sent: 0,
            pings_answered: 0,
            probe: None,
            look_at: None,
        }
    }

    /// Messages that may still be sent.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.open)
    }

    /// Whether one more may be sent. `exactly_once` is a limit of the moment for those at QoS 2, and
    /// `aside` how many of them take a place without being under way.
    pub(super) fn has_room(&self, qos: QoS, exactly_once: usize, aside: usize) -> bool {
        let limit = self.exactly_once_limit.min(exactly_once);
        self.room() > 0 && (qos != QoS::ExactlyOnce || self.open_exactly_once + aside < limit)
    }

    /// A message was sent.
    pub(super) fn opened(&mut self, sent: &InFlight) {
        if sent.counts() {
            self.open += 1;
            self.open_exactly_once += usize::from(sent.qos == QoS::ExactlyOnce);
        }
    }

    /// A message that was sent on this connection was acknowledged.
    pub(super) fn closed(&mut self, sent: &InFlight) {
        if sent.counts() {
            self.freed(sent.qos);
        }
    }

    /// A message that took a place does so no more.
    pub(super) fn freed(&mut self, qos: QoS) {
        self.open = self.open.saturating_sub(1);
        if qos == QoS::ExactlyOnce {
            self.open_exactly_once = self.open_exactly_once.saturating_sub(1);
        }
    }

    /// Nothing has been sent on this connection.
    pub(super) fn reset(&mut self) {
        (self.open, self.open_exactly_once) = (0, 0);
        (self.pings_sent, self.pings_answered) = (0, 0);
        (self.probe, self.look_at) = (None, None);
    }

    pub(super) fn ping(&mut self, out: &mut impl PacketSink) {
        out.send(Packet::PingReq);
        self.pings_sent += 1;
    }

    /// The program has itself sent a ping, whose answer will come too.
    pub(super) fn add_external_ping(&mut self) {
        self.pings_sent += 1;
    }

    /// Something cannot be sent for want of room: looks whether the broker still goes on. `all` are those
    /// sent on this connection.
    pub(super) fn blocked<'a>(
        &mut self,
        mut all: impl Iterator<Item = &'a InFlight>,
        out: &mut impl PacketSink,
        now: Instant,
    ) {
        if self.probe.is_some() {
            return;
        }
        let Some(oldest) = all.find(|sent| sent.counts()) else { return };
        let at = oldest.sent_at + IGNORED_AFTER;
        if at <= now {
            self.ping(out);
            self.probe = Some((self.pings_sent, now));
            self.look_at = None;
        } else {
            self.look_at = Some(at);
        }
    }

    /// Looks anew whether something cannot be sent.
    pub(super) fn unblocked(&mut self) {
        self.look_at = None;
    }

    /// The broker has answered a ping. `all` are those sent on this connection.
    pub(super) fn pinged<'a>(&mut self, all: impl Iterator<Item = &'a mut InFlight>) {
        self.pings_answered += 1;
        let Some((ping, at)) = self.probe else { return };
        if self.pings_answered < ping {
            return;
        }
        self.probe = None;
        for sent in all {
            if sent.counts() && sent.sent_at + IGNORED_AFTER <= at {
                sent.ignored = true;
                self.freed(sent.qos);
            }
        }
    }

    /// An error says how what is under way differs from what is known of it, or goes beyond the limits.
    #[cfg(test)]
    pub(super) fn agrees_with<'a>(
        &self,
        all: impl Iterator<Item = &'a InFlight>,
    ) -> Result<(), String> {
        let (mut open, mut exactly_once, mut released) = (0, 0, 0);
        for sent in all {
            open += 1;
            exactly_once += usize::from(sent.qos == QoS::ExactlyOnce);
            released += usize::from(sent.released);
        }
        if (open, exactly_once) != (self.open, self.open_exactly_once) {
            return Err(format!(
                "{open} messages are under way, and {} are known to be",
                self.open
            ));
        }
        // Those that were released go out on the next connection whatever its limits.
        if open.saturating_sub(released) > self.limit
            || exactly_once.saturating_sub(released) > self.exactly_once_limit
        {
            return Err(format!("{open} messages are under way, beyond the limit"));
        }
        Ok(())
    }

    /// When to look whether the broker goes on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.look_at
    }
}
