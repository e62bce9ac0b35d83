//! What the broker sends to the client.

use tars_mqtt_topic::matches;

use super::broker::{Broker, Flight, Out};
use crate::message::Message;
use crate::qos::QoS;
use crate::wire::{Packet, Reason};

impl Broker {
    /// Somebody publishes.
    pub(super) fn publish(&mut self, out: Out) {
        if out.retain {
            self.retained.insert(out.topic, out);
        }
        let matching: Vec<QoS> = self
            .subscriptions
            .iter()
            .filter(|(filter, _)| matches(filter, out.topic))
            .map(|(_, qos)| *qos)
            .collect();
        let Some(&highest) = matching.iter().max() else { return };
        let copies: &[QoS] = if self.setup.one_for_each { &matching } else { &[highest] };
        for &granted in copies {
            self.enqueue(Out { qos: out.qos.min(granted), retain: false, ..out });
        }
        self.send();
    }

    pub(super) fn enqueue(&mut self, out: Out) {
        if out.qos == QoS::AtMostOnce {
            if self.connected {
                self.to_client.push_back(published(0, out, false));
            }
            return;
        }
        self.owed.insert(out.number);
        if out.qos == QoS::ExactlyOnce {
            self.exactly_once.insert(out.number);
        } else {
            self.exactly_once.remove(&out.number);
        }
        self.waiting.push_back(out);
    }

    /// Sends what the window has room for.
    pub(super) fn send(&mut self) {
        if !self.connected {
            return;
        }
        for flight in self.flights.iter_mut().filter(|flight| !flight.sent) {
            flight.sent = true;
            if flight.released {
                self.to_client.push_back(Packet::PubRel(flight.id.into()));
            } else {
                self.unanswered.push_back(flight.id);
                self.to_client.push_back(published(flight.id, flight.out, self.setup.marks_again));
            }
        }
        while self.flights.len() < self.setup.broker_window
            && let Some(out) = self.waiting.pop_front()
        {
            let id = self.next_id();
            self.unanswered.push_back(id);
            self.to_client.push_back(published(id, out, false));
            self.flights.push(Flight { id, out, released: false, sent: true, acknowledged: false });
        }
    }

    /// Sends again on the same connection what is not acknowledged.
    pub(super) fn send_again(&mut self) {
        if !self.connected {
            return;
        }
        for flight in &self.flights {
            self.again.insert(flight.id);
            self.has_sent_again = true;
            self.to_client.push_back(if flight.released {
                Packet::PubRel(flight.id.into())
            } else {
                published(flight.id, flight.out, true)
            });
        }
    }

    /// Acknowledges something that was not sent, or once more.
    pub(super) fn stray(&mut self, kind: u8, id: u16) {
        if !self.connected {
            return;
        }
        self.to_client.push_back(match kind % 4 {
            0 => Packet::PubAck(id.into()),
            1 => Packet::PubComp(id.into()),
            2 => Packet::UnsubAck { id },
            _ => {
                // The client takes it for the answer to its own ping.
                self.has_withheld = true;
                Packet::PingResp
            }
        });
    }

    pub(super) fn says_disconnect(&mut self) {
        if self.connected {
            self.to_client.push_back(Packet::Disconnect(Reason::SUCCESS));
        }
    }

    pub(super) fn next_id(&mut self) -> u16 {
        let is_free = |id: u16| {
            !self.again.contains(&id) && self.flights.iter().all(|flight| flight.id != id)
        };
        if self.setup.lowest_ids {
            return (1..=u16::MAX).find(|&id| is_free(id)).unwrap_or(1);
        }
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        self.last_id
    }
}

fn published(id: u16, out: Out, dup: bool) -> Packet {
    let message = Message {
        topic: out.topic.into(),
        payload: out.number.to_be_bytes().to_vec().into(),
        qos: out.qos,
        retain: out.retain,
        dup: dup && out.qos != QoS::AtMostOnce,
    };
    Packet::Publish { id, message }
}
