use tokio::time::Instant;

use super::Session;
use super::connection::End;
use super::copies::Seen;
use super::own_requests::Came;
use super::subscriptions::{Answer, Lowered};
use super::targets::Handed;
use crate::error::Result;
use crate::log::quoted;
use crate::message::Message;
use crate::qos::QoS;
use crate::wire::{Packet, Reason};

/// Bytes from which on no more refusals are listed in the health of the service.
const MAX_REASON: usize = 4096;

impl Session {
    /// Whether what has come is to be taken in now. Reading waits shortly for a handler that just
    /// has no room.
    pub(crate) fn reads(&mut self, now: Instant) -> bool {
        self.connection.end.is_none() && !self.targets.congested(now)
    }

    /// Bytes have come from the broker, or nothing could be heard of it because nothing was read.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.connection.vitals.heard(now);
    }

    /// What came cannot be followed any further.
    pub(crate) fn violated(&mut self, reason: &str) {
        self.connection.give_up(format!("protocol error: {reason}"));
    }

    /// Takes in a packet from the broker.
    pub(crate) fn receive(&mut self, now: Instant, packet: Packet) {
        match packet {
            Packet::Publish { id, message } => self.message(id, message, now),
            Packet::Unreadable(unreadable) => {
                if let Some(suppressed) = self.unexpected.allow_at(now) {
                    tracing::warn!(
                        topic = &*quoted(&unreadable.topic),
                        suppressed,
                        "a message was refused: {}",
                        quoted(&unreadable.reason)
                    );
                }
                let stand_in = unreadable.stand_in();
                if unreadable.qos > QoS::AtMostOnce && self.inbox.has_room(&stand_in) {
                    self.inbox.push(unreadable.id, stand_in, None, now);
                }
            }
            Packet::PubAck(ack) => self.outgoing.acknowledged(ack.id, &mut self.ids),
            Packet::PubComp(ack) => self.outgoing.completed(ack.id, &mut self.ids),
            Packet::PubRec(ack) => {
                self.outgoing.received(ack.id);
                self.answers.push(Packet::PubRel(ack.id.into()));
            }
            Packet::PubRel(ack) => {
                self.inbox.release(ack.id);
                // Also for an unknown one: the broker may not have seen the first answer.
                self.answers.push(Packet::PubComp(ack.id.into()));
            }
            Packet::SubAck { id, granted } => self.subscribed(id, &granted, now),
            Packet::UnsubAck { id } => self.subscriptions.unsubscribed(id, &mut self.ids),
            Packet::PingResp => self.outgoing.pinged(),
            Packet::Disconnect(reason) => {
                let reason = match reason {
                    Reason::SUCCESS => "the broker ended the connection".to_owned(),
                    Reason(code) => format!("the broker ended the connection: {code:#04x}"),
                };
                self.connection.end(End::Lost { reason, by_broker: true });
            }
            Packet::Subscribe { .. } | Packet::Unsubscribe { .. } | Packet::PingReq => {
                self.violated("a packet that only clients send");
            }
        }
    }

    fn message(&mut self, id: u16, message: Message, now: Instant) {
        let is_acknowledged = message.qos > QoS::AtMostOnce;
        if is_acknowledged
            && (self.left_to_the_broker(&message, now) || self.inbox.is_known(id, &message, now))
        {
            return;
        }
        if let Came::HandedOver(ticket) = self.own_requests.came(&message) {
            if is_acknowledged {
                self.inbox.push(id, message, ticket, now);
            }
            return;
        }
        let message = if is_acknowledged && self.inbox.is_long(&message) {
            message.compact()
        } else {
            message
        };
        let seen = self.copies.look(&message, now);
        if let Seen::Copy(ticket) = &seen {
            // A first one at QoS 0 may have found no room; this one promises more.
            let is_lost = is_acknowledged && ticket.as_ref().is_some_and(|ticket| ticket.keep());
            if !is_lost {
                if is_acknowledged {
                    self.inbox.push(id, message, ticket.clone(), now);
                }
                return;
            }
        }
        let is_first = matches!(seen, Seen::First(_));
        let known = is_acknowledged.then(|| message.clone());
        let tracked = is_acknowledged || is_first;
        let ticket = match self.targets.hand_on(message, tracked, self.quiesced) {
            Handed::On(ticket) => ticket,
            // It comes again at the next start.
            Handed::Left => return,
            Handed::Unhandled(message) => {
                self.unhandled(message.topic(), now);
                None
            }
        };
        if let Seen::First(first) = seen {
            self.copies.expect(first, ticket.clone(), now);
        }
        if let Some(message) = known {
            self.inbox.push(id, message, ticket, now);
        }
    }

    /// Hands over requests to handlers of this service that the broker holds back, because those
    /// who wait for the answers fill its window.
    pub(super) fn hand_over_own_requests(&mut self, now: Instant) {
        if self.own_requests.deadline().is_none_or(|deadline| deadline > now) || self.quiesced {
            return;
        }
        for (index, message) in self.own_requests.due(!self.inbox.is_empty(), now) {
            let ticket = match self.targets.hand_on(message, true, false) {
                Handed::On(ticket) => ticket,
                Handed::Left | Handed::Unhandled(_) => None,
            };
            self.own_requests.handed_over(index, ticket);
        }
    }

    /// Whether there is no room for a message, or for one before it. It is not acknowledged, and
    /// comes again on the next connection.
    fn left_to_the_broker(&mut self, message: &Message, now: Instant) -> bool {
        if self.inbox.has_overflowed() {
            return true;
        }
        if self.inbox.has_room(message) {
            return false;
        }
        if let Some(suppressed) = self.unexpected.allow_at(now) {
            tracing::warn!(
                topic = &*quoted(message.topic()),
                suppressed,
                "too much is unacknowledged: what comes now is taken from the broker on the next \
                 connection, once the rest is done with"
            );
        }
        true
    }

    /// A message that no handler takes: most likely an earlier version of the service had
    /// subscribed to it, and the broker kept the session.
    fn unhandled(&mut self, topic: &str, now: Instant) {
        // What was just given up still comes until the broker has heard of it.
        if self.subscriptions.is_external(topic) || self.subscriptions.is_unsubscribing() {
            return;
        }
        if let Some(suppressed) = self.unexpected.allow_at(now) {
            tracing::error!(
                topic = &*quoted(topic),
                suppressed,
                "a message came that no handler takes, and is acknowledged: an earlier version of \
                 this service had most likely subscribed to it. Those filters are unsubscribed. If \
                 it was a handler with a `group`, the group's messages go on being sent here until \
                 this client id connects once with MQTT_CLEAN_SESSION=true"
            );
        }
        self.subscriptions.drop_leftovers(topic);
    }

    fn subscribed(&mut self, id: u16, granted: &[Result<QoS, Reason>], now: Instant) {
        match self.subscriptions.answered(id, granted, &mut self.ids, now) {
            Ok(answer) => self.refused(answer, now),
            Err(reason) => self.connection.give_up(reason),
        }
        if self.failed {
            self.connection.give_up("a subscription was refused");
        }
    }

    /// Sees to what the broker has refused, or granted in part.
    pub(super) fn refused(&mut self, Answer { refused, gone, lowered }: Answer, now: Instant) {
        for target in gone {
            self.remove(target, now);
        }
        for Lowered { filter, subscriber, asked, granted } in lowered {
            if let Some(suppressed) = self.unexpected.allow_at(now) {
                tracing::warn!(
                    filter = &*quoted(&filter),
                    subscriber,
                    asked = asked.level(),
                    granted = granted.level(),
                    suppressed,
                    "the broker grants a lower quality of service than was asked for"
                );
            }
        }
        if refused.is_empty() {
            return;
        }
        let mut reason = String::new();
        for error in &refused {
            if let Some(suppressed) = self.unexpected.allow_at(now) {
                tracing::error!(suppressed, "{}", quoted(&error.to_string()));
            }
            if reason.len() < MAX_REASON {
                let separator = if reason.is_empty() { "" } else { "; " };
                reason.push_str(separator);
                reason.push_str(&error.to_string());
            }
        }
        if let Some(started) = self.started.take() {
            // Whoever started the client may have given up waiting.
            let _ = started.send(refused.into_iter().next().map_or(Ok(()), Err));
            self.failed = true;
        }
        self.health.refused(reason);
    }
}
