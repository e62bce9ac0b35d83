//! Service, network and broker, and what must hold between them.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::broker::{Broker, Out, number};
use super::process::Process;
use super::step::{Dialed, FILTERS, HANDLERS, OUT, Outcome, Setup, Step, TOPICS};
use crate::error::Refusal;
use crate::message::Message;
use crate::qos::QoS;
use crate::session::{Command, ConnectFailure, Wants};
use crate::wire::{Packet, PacketSink, Publish, RawPacket};

/// What the session writes, on its way to the broker.
#[derive(Debug, Default)]
struct Socket {
    unsent: VecDeque<Packet>,
    room: usize,
}

impl PacketSink for Socket {
    fn has_room(&self) -> bool {
        self.unsent.len() < self.room
    }

    fn publish(&mut self, publish: &Publish, id: u16, dup: bool) {
        let message = Message { dup, ..publish.as_message() };
        self.unsent.push_back(Packet::Publish { id, message });
    }

    fn send(&mut self, packet: Packet) {
        self.unsent.push_back(packet);
    }

    fn send_raw(&mut self, packet: RawPacket) {
        if packet.is_ping() {
            self.unsent.push_back(Packet::PingReq);
        }
    }
}

pub(super) struct World {
    pub(super) setup: Setup,
    pub(super) now: Instant,
    begin: Instant,
    pub(super) broker: Broker,
    pub(super) process: Process,
    socket: Socket,
    to_broker: VecDeque<Packet>,
    blocked: bool,
    written: u64,
    armed: Instant,
    /// How often in a row it was to ring at once.
    rings: u32,
    /// Something has happened that the driver would have looked at.
    stirred: bool,
    next_number: u32,
    /// Messages that were retained, and come more often than once.
    pub(super) retained: BTreeSet<u32>,
    /// Who is done with what, in all processes.
    pub(super) done: BTreeSet<(usize, u32)>,
    pub(super) topics: BTreeMap<u32, &'static str>,
    /// Messages that were accepted by processes that ended.
    pub(super) history: Vec<(u32, QoS, Option<bool>)>,
    is_over: bool,
    /// What went over the network, where somebody wants to see it.
    pub(super) trace: Option<Vec<String>>,
    /// The states that the session was in, where somebody counts them.
    pub(super) states: Option<HashSet<u64>>,
}

/// A timer may ring at once a few times in a row, and not for ever.
const SPINS: u32 = 20;

pub(super) type Verdict = Result<(), String>;

fn short(packet: &Packet) -> String {
    match packet {
        Packet::Publish { id, message } => format!(
            "PUBLISH {id}: {} on {} at QoS {}{}{}",
            number(message),
            message.topic(),
            message.qos.level(),
            if message.dup { ", again" } else { "" },
            if message.retain { ", retained" } else { "" },
        ),
        other => format!("{other:?}"),
    }
}

impl World {
    pub(super) fn new(setup: Setup, begin: Instant) -> Self {
        Self {
            broker: Broker::new(setup),
            process: Process::start(&setup, begin),
            setup,
            now: begin,
            begin,
            socket: Socket { unsent: VecDeque::new(), room: setup.socket },
            to_broker: VecDeque::new(),
            blocked: false,
            written: 0,
            armed: begin,
            rings: 0,
            stirred: true,
            next_number: 1,
            retained: BTreeSet::new(),
            done: BTreeSet::new(),
            topics: BTreeMap::new(),
            history: Vec::new(),
            is_over: false,
            trace: None,
            states: None,
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now.duration_since(self.begin)
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let line = format!("{:?}: {}", self.now.duration_since(self.begin), what());
            // Thousands of releases in a row are one line.
            let is_release = |line: &String| line.contains("PubRel") || line.contains("PubComp");
            match trace.last_mut() {
                Some(last) if is_release(last) && is_release(&line) => *last = line,
                _ => trace.push(line),
            }
        }
    }

    fn fresh(&mut self) -> u32 {
        self.next_number += 1;
        self.next_number
    }

    fn deadline(&self) -> Option<Instant> {
        self.setup.publish_timeout.then(|| self.now + Duration::from_secs(3))
    }

    /// Does a step, and all that follows from it at once.
    pub(super) fn step(&mut self, step: Step) -> Verdict {
        match step {
            Step::Pass(milliseconds) => self.pass(Duration::from_millis(milliseconds.into()))?,
            Step::PassToTimeout => {
                if let Some(next) = self.process.session.next_timeout() {
                    let wait = next.saturating_duration_since(self.now);
                    self.pass(wait.min(Duration::from_secs(60)))?;
                }
            }
            Step::Dial(dialed) => self.dial(dialed),
            Step::Cut { by_broker, loses_session } => {
                if self.broker.connected {
                    self.cut(if by_broker { "closed" } else { "broken" });
                    if loses_session {
                        self.broker.lose_session();
                    }
                } else if loses_session {
                    self.broker.lose_session();
                }
            }
            Step::Block(blocked) => {
                self.blocked = blocked;
                self.stirred |= !blocked;
            }
            Step::BrokerReads(count) => self.broker_reads(count.into())?,
            Step::SessionReads(count) => self.session_reads(count.into()),
            Step::Arrives { topic, qos, retain } => self.arrives(topic, qos, retain),
            Step::Withhold(withholds) => self.broker.withhold(withholds),
            Step::Refuse { filter, refuses } => {
                let all = HANDLERS.iter().map(|(filter, _)| *filter).chain(FILTERS);
                let all: Vec<&str> = all.collect();
                let filter = all[usize::from(filter) % all.len()].to_owned();
                if refuses {
                    self.broker.refused.insert(filter);
                } else {
                    self.broker.refused.remove(&filter);
                }
            }
            Step::SendsAgain => self.broker.send_again(),
            // What is in use is acknowledged by a broker that has it, and not before.
            Step::Stray(kind, id) => {
                if !self.process.session.uses(id) && self.broker.to_client.is_empty() {
                    self.broker.stray(kind, id);
                    self.session_reads(1);
                }
            }
            Step::ServerDisconnects => self.broker.says_disconnect(),
            Step::Stores => self.broker.store(),
            Step::RollsBack => {
                if self.broker.connected {
                    self.cut("the broker is killed");
                }
                self.broker.roll_back();
            }
            Step::Publish { topic, qos } => {
                let (number, deadline) = (self.fresh(), self.deadline());
                let topic = OUT[usize::from(topic) % OUT.len()];
                self.topics.insert(number, topic);
                self.process.publish(topic, number, qos, deadline);
            }
            Step::DropPublish(index) => self.process.drop_publish(index.into()),
            Step::Subscribe { filter, qos, done_on_receive } => {
                let filter = FILTERS[usize::from(filter) % FILTERS.len()];
                self.process.subscribe(filter, qos, done_on_receive);
            }
            Step::DropSubscription(index) => self.process.drop_subscription(index.into()),
            Step::Next(index) => {
                self.process.next(index.into());
            }
            Step::Take(index) => {
                self.process.take(index.into());
            }
            Step::Finish(index, outcome) => {
                self.finish(index.into(), outcome);
            }
            Step::DropAsk(index) => self.process.drop_ask(index.into()),
            Step::Ping => self.process.ping(),
            Step::Health(ok) => self.process.say(ok),
            Step::Quiesce => {
                self.process.is_quiesced = true;
                self.process.commands.push_back(Command::Quiesce);
            }
            Step::Shutdown(within) => {
                self.shut_down(Duration::from_millis(within.into()));
            }
            Step::Orphan => {
                self.process.is_quiesced = true;
                self.process.session.orphaned(self.now);
                self.stirred = true;
            }
            Step::Kill => self.kill(),
        }
        self.go_on()
    }

    pub(super) fn finish(&mut self, index: usize, outcome: Outcome) -> bool {
        let (number, deadline) = (self.fresh(), self.deadline());
        self.topics.insert(number, if outcome == Outcome::Ask { "b" } else { "out/1" });
        self.process.finish(index, outcome, number, deadline)
    }

    fn arrives(&mut self, topic: u8, qos: QoS, retain: bool) {
        let topic = TOPICS[usize::from(topic) % TOPICS.len()];
        let number = self.fresh();
        self.topics.insert(number, topic);
        if retain {
            self.retained.insert(number);
        }
        self.broker.publish(Out { number, topic, qos, retain });
    }

    /// Lets time pass, and the driver's timer ring meanwhile.
    fn pass(&mut self, time: Duration) -> Verdict {
        let end = self.now + time;
        for _ in 0..200 {
            if self.armed > end {
                break;
            }
            self.now = self.now.max(self.armed);
            self.stirred = true;
            self.go_on()?;
        }
        self.now = end;
        Ok(())
    }

    pub(super) fn shut_down(&mut self, within: Duration) {
        self.process.shut_down(self.now + within);
    }

    /// Whether something is on its way to the broker.
    pub(super) fn has_traffic(&self) -> bool {
        !self.to_broker.is_empty()
    }

    pub(super) fn unblock(&mut self) {
        self.blocked = false;
        self.stirred = true;
    }

    /// Lets time pass until the driver's timer rings.
    pub(super) fn pass_to_timer(&mut self) -> Verdict {
        self.pass(self.armed.saturating_duration_since(self.now).min(Duration::from_secs(60)))
    }

    pub(super) fn dial(&mut self, dialed: Dialed) {
        if self.process.session.wants() != Wants::Dial {
            return;
        }
        self.stirred = true;
        let failure = match dialed {
            Dialed::Ok => {
                self.socket.unsent.clear();
                self.to_broker.clear();
                self.blocked = false;
                self.written = 0;
                let session_present = self.broker.connect(self.setup.clean_session);
                self.note(|| format!("connected, session present: {session_present}"));
                self.process.session.connected(self.now, session_present);
                return;
            }
            Dialed::Unreachable => ConnectFailure::Unreachable,
            Dialed::Unanswered => ConnectFailure::Unanswered,
            Dialed::Refused => ConnectFailure::Refused(Refusal::NotAuthorized),
        };
        self.process.session.connect_failed(self.now, failure);
    }

    pub(super) fn cut(&mut self, reason: &str) {
        self.note(|| format!("the connection ends: {reason}"));
        self.broker.disconnect();
        self.socket.unsent.clear();
        self.to_broker.clear();
        self.process.session.disconnected(self.now, reason);
        self.stirred = true;
    }

    pub(super) fn broker_reads(&mut self, count: usize) -> Verdict {
        for _ in 0..count {
            let Some(packet) = self.to_broker.pop_front() else { break };
            self.note(|| format!("to the broker: {}", short(&packet)));
            self.broker.received += 1;
            self.broker.client_ends = self.process.is_quiesced || self.process.stopping.is_some();
            self.broker.receive(packet)?;
            self.look_at_acknowledged()?;
            if self.broker.closes {
                self.cut("closed by the broker");
                break;
            }
        }
        Ok(())
    }

    pub(super) fn session_reads(&mut self, count: usize) {
        for _ in 0..count {
            if !self.broker.connected
                || self.process.session.wants() != Wants::Serve
                || !self.process.session.reads(self.now)
            {
                break;
            }
            let Some(packet) = self.broker.to_client.pop_front() else { break };
            self.note(|| format!("to the session: {}", short(&packet)));
            self.process.session.heard(self.now);
            self.process.session.receive(self.now, packet);
            self.stirred = true;
        }
    }

    /// Does what the driver and the program do at once, until nothing is left to do.
    pub(super) fn go_on(&mut self) -> Verdict {
        for _ in 0..10_000 {
            let mut happened = self.process.go_on();
            self.look_at_told()?;
            while let Some(command) = self.process.commands.pop_front() {
                self.process.session.command(self.now, command);
                self.stirred = true;
            }
            self.stirred |= self.process.is_woken() || self.armed <= self.now;
            if std::mem::take(&mut self.stirred) {
                happened = true;
                self.turn()?;
            }
            if !happened {
                return Ok(());
            }
        }
        Err("the session never comes to rest".to_owned())
    }

    /// A round of the driver.
    fn turn(&mut self) -> Verdict {
        let session = &mut self.process.session;
        if self.broker.connected {
            session.wrote(self.now, !self.socket.unsent.is_empty(), self.written);
        }
        session.timeout(self.now);
        if session.wants() == Wants::Serve {
            session.transmit(self.now, &mut self.socket);
        }
        self.look_at_state()?;
        let session = &mut self.process.session;
        match session.wants() {
            Wants::Dial | Wants::Pause => {}
            Wants::Serve => {
                if !self.blocked && !self.socket.unsent.is_empty() {
                    let had_no_room = !self.socket.has_room();
                    self.written += self.socket.unsent.len() as u64;
                    self.to_broker.append(&mut self.socket.unsent);
                    session.flushed();
                    self.stirred |= had_no_room;
                }
                if !session.reads(self.now) {
                    session.heard(self.now);
                }
            }
            Wants::Close => self.cut("given up"),
            Wants::SayGoodbye => {
                if !self.blocked {
                    self.to_broker.append(&mut self.socket.unsent);
                    self.broker_reads(usize::MAX)?;
                }
                self.cut("said goodbye");
            }
            Wants::Stop => self.over()?,
        }
        if let Some(states) = &mut self.states {
            states.insert(self.process.session.sketch());
        }
        let next = self.process.session.next_timeout();
        self.armed = next.unwrap_or(self.now + Duration::from_secs(1 << 20)).max(self.now);
        self.rings = if self.armed > self.now { 0 } else { self.rings + 1 };
        if self.rings > 0 {
            self.armed += Duration::from_millis(1);
        }
        if self.rings > SPINS {
            return Err("the timer rings at once, again and again".to_owned());
        }
        Ok(())
    }

    fn over(&mut self) -> Verdict {
        if !self.is_over {
            self.is_over = true;
            let left = self.process.session.footprint().unfinished;
            self.process.session.end(true, Vec::new());
            self.look_at_end(left)?;
        }
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// The process is gone at once, and another one starts.
    pub(super) fn kill(&mut self) {
        if self.broker.connected {
            // What has been written still arrives, and nobody looks whether it is right.
            while let Some(packet) = self.to_broker.pop_front() {
                let _ = self.broker.receive(packet);
            }
            self.broker.acknowledged.clear();
            self.broker.disconnect();
        }
        self.replace();
    }

    pub(super) fn replace(&mut self) {
        self.process.go_on();
        self.done.append(&mut self.process.done);
        let ended = self.process.published.drain(..);
        self.history
            .extend(ended.map(|published| (published.number, published.qos, published.outcome)));
        self.socket.unsent.clear();
        self.to_broker.clear();
        self.broker.process_ended();
        self.process = Process::start(&self.setup, self.now);
        self.is_over = false;
        self.stirred = true;
    }
}
