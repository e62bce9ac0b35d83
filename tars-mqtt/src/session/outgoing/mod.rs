//! Messages on their way to the broker.

mod send;
mod stale;
mod suspect;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;

use stale::Stale;
use suspect::Suspects;
use tokio::sync::oneshot;
use tokio::time::Instant;
use window::Window;

use super::packet_ids::PacketIds;
use crate::config::Config;
use crate::delivery::Entry;
use crate::error::{Error, Result};
use crate::qos::QoS;
use crate::wire::{MAX_PACKET_ID, PacketSink};

/// Messages that were given up and never answered, from which on the connection is made anew: each keeps
/// its identifier until then, and there are not many more.
const MAX_GIVEN_UP: usize = 8192;

/// Messages on their way to the broker, in the order in which they were accepted.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// Sent, or sent on an earlier connection, and not acknowledged.
    in_flight: VecDeque<InFlight>,
    /// How many of those have been sent on this connection.
    sent: usize,
    /// How many of those were given up, and are known by their identifiers alone.
    given_up: usize,
    /// No message that was set aside has been sent behind later ones, so that the first ends first.
    is_in_order: bool,
    window: Window,
    /// To be sent before anything from the outbox.
    next: VecDeque<Entry>,
    /// Of QoS 0 messages that are in the socket's buffer.
    written: Vec<oneshot::Sender<Result<()>>>,
    /// What the connection itself says of the service: the newest only.
    health: Option<Entry>,
    heartbeat: Option<Entry>,
    suspects: Suspects,
    stale: Stale,
}

#[derive(Debug)]
struct InFlight {
    id: u16,
    /// `None` once it was given up; the identifier stays in use until the broker answers.
    entry: Option<Entry>,
    qos: QoS,
    /// PUBREC has come: the message is with the broker, PUBREL is due (section 4.3.3).
    released: bool,
    is_status: bool,
    sent_at: Instant,
    /// The broker goes on without acknowledging it: it takes no place in the window.
    ignored: bool,
}

impl InFlight {
    /// Whether it takes a place in the window. One at QoS 2 does even if it was given up here: the
    /// broker may still have it.
    fn counts(&self) -> bool {
        let is_wanted = self.entry.is_some() || self.qos == QoS::ExactlyOnce;
        is_wanted && !self.ignored && !self.is_status
    }
}

impl Outgoing {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            in_flight: VecDeque::new(),
            sent: 0,
            given_up: 0,
            is_in_order: true,
            window: Window::new(config.in_flight_limits()),
            next: VecDeque::new(),
            written: Vec::new(),
            health: None,
            heartbeat: None,
            suspects: Suspects::new(config.publish_attempts()),
            stale: Stale::new(MAX_PACKET_ID),
        }
    }

    /// A connection begins, to a broker that has kept the session or not.
    pub(super) fn connected(&mut self, session_present: bool, now: Instant) {
        self.stale.connected(session_present);
        self.suspects.connected(now);
    }

    /// The program has itself sent a ping.
    pub(super) fn add_external_ping(&mut self) {
        self.window.add_external_ping();
    }

    /// What the service, or the connection, says of the service. Takes the place of what was said
    /// before and has not gone out.
    pub(super) fn set_health(&mut self, entry: Entry) {
        self.health = Some(entry);
    }

    /// The last word on the service, which is tried whatever became of those before.
    pub(super) fn set_last_health(&mut self, entry: Entry) {
        self.set_health(entry);
        self.suspects.unmute_status();
    }

    pub(super) fn set_heartbeat(&mut self, entry: Entry) {
        self.heartbeat = Some(entry);
    }

    /// Whether the broker has not yet taken all that the connection says of the service.
    pub(super) fn status_is_pending(&self) -> bool {
        self.health.is_some() || self.in_flight.iter().any(|sent| sent.is_status)
    }

    /// The socket's buffer has been written out.
    pub(super) fn flushed(&mut self) {
        for receipt in self.written.drain(..) {
            // Whoever published may not be interested.
            let _ = receipt.send(Ok(()));
        }
    }

    /// Asks the broker for a sign of life.
    pub(super) fn ping(&mut self, out: &mut impl PacketSink) {
        self.window.ping(out);
    }

    /// PINGRESP: the broker has got past everything that was sent before its PINGREQ.
    pub(super) fn pinged(&mut self) {
        self.window.pinged(self.in_flight.iter_mut().take(self.sent));
    }

    fn take(&mut self, id: u16) -> Option<InFlight> {
        let index = self.in_flight.iter().position(|sent| sent.id == id)?;
        let taken = self.in_flight.remove(index)?;
        self.given_up -= usize::from(taken.entry.is_none());
        self.is_in_order |= self.in_flight.is_empty();
        if index < self.sent {
            self.sent -= 1;
            self.window.closed(&taken);
        }
        Some(taken)
    }

    /// PUBACK: the broker has it. Some answer so at QoS 2 too.
    pub(super) fn acknowledged(&mut self, id: u16, ids: &mut PacketIds) {
        match self.take(id) {
            Some(sent) => {
                if sent.qos == QoS::ExactlyOnce {
                    self.stale.is_unknown();
                }
                self.finished(sent, ids);
            }
            None => tracing::debug!(id, "an acknowledgement for nothing that this session sent"),
        }
    }

    /// PUBREC: the broker has a QoS 2 message and waits for its release.
    pub(super) fn received(&mut self, id: u16) {
        if let Some(sent) = self.in_flight.iter_mut().find(|sent| sent.id == id) {
            sent.released = true;
            self.stale.received();
        }
    }

    /// PUBCOMP: the broker has let go of a message. One that it has not received is another than that,
    /// which was under the same identifier.
    pub(super) fn completed(&mut self, id: u16, ids: &mut PacketIds) {
        self.stale.completed(id);
        let is_released = |sent: &InFlight| sent.id == id && sent.released;
        if self.in_flight.iter().any(is_released)
            && let Some(sent) = self.take(id)
        {
            self.stale.done(id);
            self.finished(sent, ids);
        }
    }

    fn finished(&mut self, sent: InFlight, ids: &mut PacketIds) {
        ids.free(sent.id);
        self.suspects.acknowledged(sent.id);
        if sent.is_status {
            self.suspects.status_acknowledged();
        }
        if let Some(entry) = sent.entry {
            entry.delivered();
        }
    }

    /// The connection is lost. Returns a message that is given up because the broker closes the
    /// connection whenever it is sent.
    pub(super) fn connection_lost(
        &mut self,
        ids: &mut PacketIds,
        closed_at_once: bool,
        now: Instant,
    ) -> Option<Entry> {
        let condemned =
            self.suspects.connection_lost(&mut self.in_flight, self.sent, closed_at_once, now);
        self.sent = 0;
        self.window.reset();
        self.stale.connection_lost();
        for receipt in self.written.drain(..) {
            let _ = receipt.send(Err(Error::Disconnected));
        }
        (self.health, self.heartbeat) = (None, None);
        self.in_flight.retain_mut(|sent| {
            sent.ignored = false;
            // Given up, and perhaps with the broker, which then keeps the identifier until it is
            // told that the message may go.
            sent.released |= sent.entry.is_none() && sent.qos == QoS::ExactlyOnce;
            let keep = (sent.entry.is_some() || sent.released) && !sent.is_status;
            if !keep {
                ids.free(sent.id);
            }
            keep
        });
        self.given_up = self.in_flight.iter().filter(|sent| sent.entry.is_none()).count();
        self.give_up(condemned?, ids)
    }

    /// A message that was set aside is not sent again. At QoS 2 the broker may have it, and keeps the
    /// identifier, and a place, until it is told that the message may go.
    fn give_up(&mut self, mut sent: InFlight, ids: &mut PacketIds) -> Option<Entry> {
        let entry = sent.entry.take();
        if sent.qos == QoS::ExactlyOnce {
            sent.released = true;
            self.given_up += 1;
            self.in_flight.push_back(sent);
        } else {
            ids.free(sent.id);
        }
        entry
    }

    /// The message that the broker would have to acknowledge first, and how many connections it has
    /// closed instead.
    pub(super) fn suspect(&self) -> Option<&Entry> {
        self.suspects.entry().or_else(|| self.in_flight.front()?.entry.as_ref())
    }

    /// The broker knows nothing of what was sent: all of it is sent anew.
    pub(super) fn session_lost(&mut self, ids: &mut PacketIds) {
        while let Some(sent) = self.in_flight.pop_back() {
            ids.free(sent.id);
            if let Some(entry) = sent.entry {
                self.next.push_front(entry);
            }
        }
        (self.sent, self.given_up, self.is_in_order) = (0, 0, true);
        self.window.reset();
    }

    /// Whether identifiers run out because the broker has not answered what was given up. On another
    /// connection those at QoS 1 are free again.
    pub(super) fn is_clogged(&self) -> bool {
        let at_qos_1 = |sent: &&InFlight| sent.entry.is_none() && sent.qos == QoS::AtLeastOnce;
        self.given_up >= MAX_GIVEN_UP
            && self.in_flight.iter().filter(at_qos_1).count() >= MAX_GIVEN_UP
    }

    /// When something is due that is not the end of a message.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = [
            self.window.deadline(),
            self.suspects.deadline(),
            self.stale.deadline(),
            self.status_alone_until(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// When the next message has waited too long.
    pub(super) fn expiry(&self) -> Option<Instant> {
        // What is said of the service has all the time it takes, and holds up nobody.
        let messages = self.in_flight.iter().filter(|sent| !sent.is_status);
        let messages = messages.filter_map(|sent| sent.entry.as_ref());
        let in_flight = messages.take(if self.is_in_order { 1 } else { usize::MAX });
        let waiting = in_flight.chain(self.next.front()).chain(self.suspects.entry());
        waiting.filter_map(|entry| entry.deadline).min()
    }

    /// Gives up what has waited too long for its acknowledgement.
    pub(super) fn expire(&mut self, ids: &mut PacketIds, now: Instant) -> Vec<Entry> {
        let mut given_up: Vec<Entry> = Vec::new();
        for (index, sent) in self.in_flight.iter_mut().enumerate() {
            match &sent.entry {
                Some(_) if sent.is_status => continue,
                Some(entry) if entry.is_late(now) => {}
                Some(_) if self.is_in_order => break,
                Some(_) | None => continue,
            }
            let counted = sent.counts();
            given_up.extend(sent.entry.take());
            self.given_up += 1;
            if index < self.sent && counted && !sent.counts() {
                self.window.freed(sent.qos);
            }
        }
        while self.next.front().is_some_and(|entry| entry.is_late(now)) {
            given_up.extend(self.next.pop_front());
        }
        for late in self.suspects.expire(now) {
            given_up.extend(self.give_up(late, ids));
        }
        given_up
    }

    /// Messages that the broker does not have yet.
    pub(super) fn unfinished(&self) -> usize {
        let is_message = |sent: &&InFlight| sent.entry.is_some() && !sent.is_status;
        let in_flight = self.in_flight.iter().filter(is_message).count();
        self.next.len() + in_flight + self.suspects.len()
    }

    /// Uses identifiers up to this one only.
    #[cfg(test)]
    pub(super) fn limit_ids(&mut self, highest: u16) {
        self.stale = Stale::new(highest);
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// What is under way, without its numbers.
    #[cfg(test)]
    pub(super) fn sketch(&self) -> impl std::hash::Hash + use<> {
        let few = |count: usize| count.min(3);
        let released = self.in_flight.iter().filter(|sent| sent.released).count();
        let ignored = self.in_flight.iter().filter(|sent| sent.ignored).count();
        (
            [few(self.in_flight.len()), few(self.sent), few(self.given_up), few(self.next.len())],
            [few(released), few(ignored), few(self.written.len()), few(self.suspects.len())],
            (self.health.is_some(), self.status_is_pending(), self.stale.limit().min(2)),
            (self.suspects.is_trial_on(), self.window.room().min(1)),
        )
    }

    /// An error says that more is under way than may be.
    #[cfg(test)]
    pub(super) fn within_window(&self) -> Result<(), String> {
        let sent = self.in_flight.iter().take(self.sent);
        self.window.agrees_with(sent.filter(|sent| sent.counts()))
    }

    /// Ends all that is left.
    pub(super) fn abandon(&mut self) {
        let in_flight = self.in_flight.drain(..).filter_map(|sent| sent.entry);
        for entry in in_flight.chain(self.next.drain(..)).chain(self.suspects.take()) {
            if let Some(receipt) = entry.receipt {
                // Whoever published may not be interested.
                let _ = receipt.send(Err(Error::Stopped));
            }
        }
        for receipt in self.written.drain(..) {
            let _ = receipt.send(Err(Error::Stopped));
        }
    }
}
