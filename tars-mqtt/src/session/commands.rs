use tokio::time::Instant;

use super::phase::Phase;
use super::subscriptions::Subscriber;
use super::targets::NewTarget;
use super::{Command, Session, Stop, TargetId};
use crate::error::Error;
use crate::log::quoted;
use crate::wire::{PacketSink, RawPacket};

impl Session {
    /// Does what a client asks for.
    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Subscribe { stream, filter, qos, queue, done_on_receive, done } => {
                let name = format!("the client {}", self.config.client_id());
                let target = self.targets.add(NewTarget {
                    name: name.clone(),
                    filter: filter.clone(),
                    queue,
                    workers: 1,
                    done_on_receive,
                    qos,
                    stream: Some(stream),
                    gets_all: true,
                });
                let subscriber = Subscriber { target, name, done: Some(done), ephemeral: true };
                if self.subscriptions.add(&filter, qos, subscriber) {
                    self.copies.add_filter(&filter);
                }
            }
            Command::Unsubscribe { stream } => {
                if let Some(target) = self.targets.of_stream(stream) {
                    self.remove(target, now);
                }
            }
            Command::OwnRequest { message, wanted } => {
                if let Some(shared) = self.targets.handlers_of(message.topic()) {
                    self.own_requests.add(message, wanted, shared, now);
                }
            }
            Command::Send { packet, done } => {
                if self.phase == Phase::Connected {
                    self.external.push_back((packet, done));
                } else {
                    // Whoever sent it may not wait for that.
                    let _ = done.send(Ok(()));
                }
            }
            Command::Quiesce => self.quiesced = true,
            Command::Shutdown { deadline, done } => {
                let stop = self.stop(deadline);
                stop.deadline = stop.deadline.min(deadline);
                stop.done.push(done);
            }
        }
    }

    /// There is no client any more.
    pub(crate) fn orphaned(&mut self, now: Instant) {
        let deadline = now + self.config.shutdown_limit();
        self.stop(deadline);
    }

    fn stop(&mut self, deadline: Instant) -> &mut Stop {
        self.quiesced = true;
        self.stop.get_or_insert(Stop { deadline, done: Vec::new(), said_goodbye: false })
    }

    /// A subscriber of the client is gone.
    pub(super) fn remove(&mut self, target: TargetId, now: Instant) {
        let Some(filter) = self.targets.remove(target, now) else { return };
        if self.subscriptions.remove(&filter, target) && self.copies.remove_filter(&filter) {
            self.copies.set_filters(self.subscriptions.plain_filters());
        }
    }

    /// When the next message has waited too long.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.config.publish_limit()?;
        self.outgoing.expiry().into_iter().chain(self.outbox.next_expiry()).min()
    }

    /// Gives up messages that have waited too long for their acknowledgement.
    pub(super) fn expire(&mut self, now: Instant) {
        let Some(limit) = self.config.publish_limit() else { return };
        if self.next_expiry().is_none_or(|next| next > now) {
            return;
        }
        let late = self.outgoing.expire(&mut self.ids, now);
        for entry in late.into_iter().chain(self.outbox.expire(now)) {
            if let Some(suppressed) = self.unexpected.allow_at(now) {
                tracing::warn!(
                    topic = &*quoted(entry.publish.topic()),
                    waited = ?limit,
                    suppressed,
                    "a message was given up: the broker did not acknowledge it in time"
                );
            }
            entry.failed(Error::Timeout(limit));
        }
    }

    /// Writes a packet that the program sends past the session.
    pub(super) fn send_external(&mut self, packet: RawPacket, out: &mut impl PacketSink) {
        self.subscriptions.add_external(packet.subscribes());
        self.subscriptions.remove_external(packet.unsubscribes());
        if packet.is_ping() {
            self.outgoing.add_external_ping();
        }
        out.send_raw(packet);
    }
}
