use rumqttc::Packet;
use tokio::time::Instant;

use super::subscriptions::Subscriber;
use super::targets::NewTarget;
use super::task::{Stop, Task};
use super::{Command, TargetId};
use crate::Error;
use crate::log::quoted;
use crate::transport::{Link, filters};

impl Task {
    /// Does what a client asks for. `None` means that there is no client any more.
    pub(super) fn obey(&mut self, command: Option<Box<Command>>, has_link: bool) {
        match command.map(|command| *command) {
            Some(Command::Subscribe { stream, filter, qos, queue, done_on_receive, done }) => {
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
            Some(Command::Unsubscribe { stream }) => {
                if let Some(target) = self.targets.of_stream(stream) {
                    self.remove(target);
                }
            }
            Some(Command::OwnRequest { message, wanted }) => {
                if let Some(shared) = self.targets.handlers_of(message.topic()) {
                    self.own_requests.add(message, wanted, shared, Instant::now());
                }
            }
            Some(Command::Send { packet, done }) => {
                if has_link {
                    self.external.push_back((packet, done));
                } else {
                    // Whoever sent it may not wait for that.
                    let _ = done.send(Ok(()));
                }
            }
            Some(Command::Quiesce) => self.quiesced = true,
            Some(Command::Shutdown { deadline, done }) => {
                self.quiesced = true;
                let stop = self.stop.get_or_insert(Stop {
                    deadline,
                    done: Vec::new(),
                    said_goodbye: false,
                });
                stop.deadline = stop.deadline.min(deadline);
                stop.done.push(done);
            }
            None => {
                self.orphaned = true;
                self.quiesced = true;
                let deadline = Instant::now() + self.config.shutdown_limit();
                self.stop.get_or_insert(Stop { deadline, done: Vec::new(), said_goodbye: false });
            }
        }
    }

    /// A subscriber of the client is gone.
    pub(super) fn remove(&mut self, target: TargetId) {
        let Some(filter) = self.targets.remove(target) else { return };
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
            if let Some(suppressed) = self.unexpected.allow() {
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
    pub(super) fn send_external(&mut self, packet: Packet, link: &mut Link) {
        match &packet {
            Packet::Subscribe(_) => self.subscriptions.add_external(filters(&packet)),
            Packet::Unsubscribe(unsubscribe) => {
                self.subscriptions.remove_external(&unsubscribe.topics);
            }
            Packet::PingReq => self.outgoing.add_external_ping(),
            _ => {}
        }
        link.send(packet);
    }
}
