//! A broker of MQTT 3.1.1, as far as one client sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tars_mqtt_topic::matches;

use super::step::Setup;
use crate::message::Message;
use crate::qos::QoS;
use crate::wire::{Packet, Reason};

/// A message, known by its number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Out {
    pub(super) number: u32,
    pub(super) topic: &'static str,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) id: u16,
    pub(super) out: Out,
    /// PUBREC has come.
    pub(super) released: bool,
    pub(super) sent: bool,
    pub(super) acknowledged: bool,
}

/// A message that the broker has taken from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) number: u32,
    pub(super) qos: QoS,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is about something else")]
pub(super) struct Broker {
    pub(super) setup: Setup,
    pub(super) has_session: bool,
    clean: bool,
    pub(super) connected: bool,
    pub(super) subscriptions: BTreeMap<String, QoS>,
    pub(super) refused: BTreeSet<String>,
    pub(super) waiting: VecDeque<Out>,
    pub(super) flights: Vec<Flight>,
    /// Messages of the client at QoS 2 that it has not released.
    pub(super) held: BTreeMap<u16, u32>,
    pub(super) accepted: Vec<Accepted>,
    pub(super) retained: BTreeMap<&'static str, Out>,
    pub(super) last_id: u16,
    /// On their way to the client.
    pub(super) to_client: VecDeque<Packet>,
    withheld: Option<Vec<Packet>>,
    /// It has kept answers back on this connection, and counts as one that ignores messages.
    pub(super) has_withheld: bool,
    /// Messages sent on this connection, in order, that the client has not answered.
    pub(super) unanswered: VecDeque<u16>,
    /// It has sent something again on the same connection.
    pub(super) has_sent_again: bool,
    /// What was sent again on this connection, which may be answered twice.
    pub(super) again: BTreeSet<u16>,
    /// Identifiers of the client that are in use on this connection.
    in_use: BTreeSet<u16>,
    /// Messages that the client has to handle: those that it has not acknowledged.
    pub(super) owed: BTreeSet<u32>,
    /// It ends the connection as soon as it has been looked at.
    pub(super) closes: bool,
    pub(super) is_well: Option<bool>,
    /// What the client has acknowledged since the last look.
    pub(super) acknowledged: Vec<u32>,
    pub(super) said_goodbye: bool,
    pub(super) stored: Option<Box<super::disk::Stored>>,
    /// It has come back with an older state, and has forgotten what it had acknowledged since.
    pub(super) rolled_back: bool,
    /// A session was lost, and with it what was known of messages.
    pub(super) lost_session: bool,
    /// Packets taken in.
    pub(super) received: u64,
    /// Messages that went out at QoS 2.
    pub(super) exactly_once: BTreeSet<u32>,
    /// The client takes no more messages.
    pub(super) client_ends: bool,
    /// Filters that the client has given up at some time.
    pub(super) given_up: BTreeSet<String>,
    /// What it has left at QoS 2.
    foreign: BTreeSet<u16>,
    /// A process that was killed has left filters.
    pub(super) has_foreign: bool,
}

impl Broker {
    pub(super) fn new(setup: Setup) -> Self {
        Self {
            setup,
            has_session: false,
            clean: false,
            connected: false,
            subscriptions: BTreeMap::new(),
            refused: BTreeSet::new(),
            waiting: VecDeque::new(),
            flights: Vec::new(),
            held: BTreeMap::new(),
            accepted: Vec::new(),
            retained: BTreeMap::new(),
            last_id: 0,
            to_client: VecDeque::new(),
            withheld: None,
            has_withheld: false,
            unanswered: VecDeque::new(),
            has_sent_again: false,
            again: BTreeSet::new(),
            in_use: BTreeSet::new(),
            owed: BTreeSet::new(),
            closes: false,
            is_well: None,
            acknowledged: Vec::new(),
            said_goodbye: false,
            stored: None,
            rolled_back: false,
            lost_session: false,
            received: 0,
            exactly_once: BTreeSet::new(),
            has_foreign: false,
            foreign: BTreeSet::new(),
            given_up: BTreeSet::new(),
            client_ends: false,
        }
    }

    /// Accepts a connection. Returns whether it has kept the session.
    pub(super) fn connect(&mut self, clean: bool) -> bool {
        if clean {
            self.lose_session();
        }
        self.clean = clean;
        self.connected = true;
        let present = std::mem::replace(&mut self.has_session, true);
        for flight in &mut self.flights {
            flight.sent = false;
        }
        self.said_goodbye = false;
        self.send();
        present
    }

    pub(super) fn disconnect(&mut self) {
        self.connected = false;
        self.closes = false;
        self.to_client.clear();
        (self.withheld, self.has_withheld) = (None, false);
        self.unanswered.clear();
        self.in_use.clear();
        self.again.clear();
        if self.clean {
            self.lose_session();
        }
    }

    pub(super) fn lose_session(&mut self) {
        self.lost_session |= self.has_session;
        self.has_session = false;
        self.subscriptions.clear();
        self.waiting.clear();
        self.flights.clear();
        self.held.clear();
        self.owed.clear();
        self.stored = None;
    }

    fn answer(&mut self, packet: Packet) {
        match (&mut self.withheld, &packet) {
            (
                Some(withheld),
                Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubComp(_)
                | Packet::SubAck { .. }
                | Packet::UnsubAck { .. },
            ) => {
                withheld.push(packet);
            }
            _ => {
                self.answered(&packet);
                self.to_client.push_back(packet);
            }
        }
    }

    fn answered(&mut self, packet: &Packet) {
        if let Packet::PubAck(ack) | Packet::PubComp(ack) = packet {
            self.in_use.remove(&ack.id);
        }
    }

    pub(super) fn withhold(&mut self, withholds: bool) {
        if withholds && self.connected {
            self.withheld.get_or_insert_default();
            self.has_withheld = true;
        } else {
            for packet in self.withheld.take().unwrap_or_default() {
                self.answer(packet);
            }
        }
    }

    /// Takes in a packet of the client. An error says what is wrong with it.
    pub(super) fn receive(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::Publish { id, message } => self.take(id, &message)?,
            Packet::PubAck(ack) => self.acknowledged(ack.id, QoS::AtLeastOnce)?,
            Packet::PubRec(ack) => self.acknowledged(ack.id, QoS::ExactlyOnce)?,
            Packet::PubComp(ack) => {
                self.flights.retain(|flight| flight.id != ack.id || !flight.released);
                self.send();
            }
            Packet::PubRel(ack) => {
                self.held.remove(&ack.id);
                self.answer(Packet::PubComp(ack.id.into()));
            }
            Packet::Subscribe { id, filters } => self.subscribe(id, filters)?,
            Packet::Unsubscribe { id, filters } => {
                self.uses(id)?;
                self.in_use.remove(&id);
                for filter in filters {
                    self.subscriptions.remove(&filter);
                    self.given_up.insert(filter);
                }
                self.answer(Packet::UnsubAck { id });
            }
            Packet::PingReq => self.to_client.push_back(Packet::PingResp),
            Packet::Disconnect(_) => (self.closes, self.said_goodbye) = (true, true),
            other => return Err(format!("a client does not send {other:?}")),
        }
        Ok(())
    }

    fn uses(&mut self, id: u16) -> Result<(), String> {
        if id == 0 {
            return Err("a packet identifier is 0".to_owned());
        }
        if self.in_use.insert(id) {
            Ok(())
        } else {
            Err(format!("the packet identifier {id} is in use twice"))
        }
    }

    fn take(&mut self, id: u16, message: &Message) -> Result<(), String> {
        if message.topic().starts_with("system/") {
            self.is_well = Some(String::from_utf8_lossy(&message.payload).contains("\"ok\":true"));
            if message.qos != QoS::AtMostOnce {
                self.uses(id)?;
                self.answer(Packet::PubAck(id.into()));
            }
            return Ok(());
        }
        if self.setup.closes_for_bad && message.topic() == "bad" {
            self.closes = true;
            return Ok(());
        }
        if self.setup.ignores_bad && message.topic() == "bad" {
            return Ok(());
        }
        let number = number(message);
        let qos = message.qos;
        match qos {
            QoS::AtMostOnce => self.accept(Accepted { number, qos }, message),
            QoS::AtLeastOnce => {
                self.uses(id)?;
                self.accept(Accepted { number, qos }, message);
                self.answer(Packet::PubAck(id.into()));
            }
            QoS::ExactlyOnce => {
                self.uses(id)?;
                match self.held.insert(id, number) {
                    // The release that went before it was lost with its connection: docs/simulation.md.
                    Some(known) if known != number && self.foreign.remove(&id) => {
                        self.accept(Accepted { number, qos }, message);
                    }
                    Some(known) if known != number => {
                        return Err(format!(
                            "message {number} goes out under the identifier {id}, under which the \
                             broker holds message {known}"
                        ));
                    }
                    Some(_) => {}
                    // Like mosquitto, which has no way to say that there are too many.
                    None if self.is_beyond_its_limit() => {}
                    None => self.accept(Accepted { number, qos }, message),
                }
                self.answer(Packet::PubRec(id.into()));
            }
        }
        Ok(())
    }

    /// What a process that was killed has left takes places of its own here, and what is withheld none.
    fn is_beyond_its_limit(&self) -> bool {
        let left = self.foreign.iter().filter(|id| self.held.contains_key(id)).count();
        !self.has_withheld && self.held.len() - left > self.setup.window_qos2
    }

    /// Another process comes, which knows nothing of what this one has left.
    pub(super) fn process_ended(&mut self) {
        self.has_foreign = true;
        self.foreign = self.held.keys().copied().collect();
    }

    fn accept(&mut self, accepted: Accepted, message: &Message) {
        self.accepted.push(accepted);
        if let Some(topic) = super::step::OUT.iter().find(|topic| **topic == message.topic()) {
            let Accepted { number, qos } = accepted;
            self.publish(Out { number, topic, qos, retain: false });
        }
    }

    fn acknowledged(&mut self, id: u16, qos: QoS) -> Result<(), String> {
        let at = self.unanswered.iter().position(|sent| *sent == id);
        match at {
            Some(0) => {
                self.unanswered.pop_front();
            }
            // What comes while the client ends is left to the next connection.
            Some(at) if self.client_ends => drop(self.unanswered.drain(..=at)),
            Some(_) => {
                return Err(format!(
                    "message {id} is acknowledged before {:?}, which came before it",
                    self.unanswered.front()
                ));
            }
            // The answer has crossed with what was sent again.
            None if self.again.contains(&id) => return Ok(()),
            None => {
                return Err(format!("{id} is acknowledged, and was not sent on this connection"));
            }
        }
        let Some(index) = self.flights.iter().position(|flight| flight.id == id) else {
            return Err(format!("{id} is acknowledged, and is not under way"));
        };
        let flight = &mut self.flights[index];
        if flight.out.qos != qos {
            return Err(format!("{id} is acknowledged as if it were at another QoS"));
        }
        flight.acknowledged = true;
        let number = flight.out.number;
        if qos == QoS::ExactlyOnce {
            flight.released = true;
            self.answer_release(id);
        } else {
            self.flights.remove(index);
        }
        let is_owed =
            self.flights.iter().any(|other| !other.acknowledged && other.out.number == number)
                || self.waiting.iter().any(|other| other.number == number);
        if !is_owed {
            self.owed.remove(&number);
        }
        self.acknowledged.push(number);
        self.send();
        Ok(())
    }

    fn answer_release(&mut self, id: u16) {
        self.to_client.push_back(Packet::PubRel(id.into()));
    }

    fn subscribe(&mut self, id: u16, filters: Vec<(String, QoS)>) -> Result<(), String> {
        if filters.is_empty() {
            return Err("a SUBSCRIBE without filters".to_owned());
        }
        self.uses(id)?;
        if filters.len() > self.setup.max_filters {
            self.closes = true;
            return Ok(());
        }
        self.in_use.remove(&id);
        let mut granted = Vec::new();
        let mut retained = Vec::new();
        for (filter, qos) in filters {
            if self.refused.contains(&filter) {
                granted.push(Err(Reason::FAILURE));
                continue;
            }
            granted.push(Ok(qos));
            for out in self.retained.values().filter(|out| matches(&filter, out.topic)) {
                retained.push(Out { qos: out.qos.min(qos), ..*out });
            }
            self.subscriptions.insert(filter, qos);
        }
        self.answer(Packet::SubAck { id, granted });
        for out in retained {
            self.enqueue(out);
        }
        self.send();
        Ok(())
    }

    /// Whether all has been sent and answered.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flights.is_empty() && self.to_client.is_empty()
    }

    /// Whether a message is to be handled once.
    pub(super) fn is_exactly_once(&self, number: u32) -> bool {
        !self.lost_session && self.setup.marks_again && self.exactly_once.contains(&number)
    }

    /// Whether it was given a message more than once.
    pub(super) fn has_twice(&self, number: u32) -> bool {
        self.accepted.iter().filter(|accepted| accepted.number == number).nth(1).is_some()
    }

    pub(super) fn describe(&self) -> String {
        format!(
            "{} waiting, {} under way, {} to be read",
            self.waiting.len(),
            self.flights.len(),
            self.to_client.len()
        )
    }

    /// Messages of the client on this connection that wait for an answer.
    pub(super) fn open(&self) -> usize {
        self.in_use.len()
    }
}

pub(super) fn number(message: &Message) -> u32 {
    let bytes = message.payload.get(..4).and_then(|bytes| bytes.try_into().ok());
    u32::from_be_bytes(bytes.unwrap_or_default())
}
