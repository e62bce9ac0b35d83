use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::config::Config;
use crate::delivery::{Entry, Hold, Outbox, Overflow, Queue, Wake};
use crate::error::Result;
use crate::event::{Head, HealthStatus};
use crate::message::Message;
use crate::qos::QoS;
use crate::session::{
    Command, ConnectionState, HealthReport, HealthSlot, NewTarget, Plan, Ports, Session, Wants,
};
use crate::wire::{Packet, Publish, Reason, Written};

/// Messages for which a handler's queue has room.
pub(super) const QUEUE: usize = 1024;

/// A session that a test takes through a schedule, doing what the driver does.
pub(super) struct Bench {
    pub(super) session: Session,
    pub(super) now: Instant,
    pub(super) state: watch::Receiver<ConnectionState>,
    pub(super) started: oneshot::Receiver<Result<()>>,
    handlers: Vec<Arc<Queue>>,
    outbox: Arc<Outbox>,
    health: Arc<HealthSlot>,
    wake: Arc<Wake>,
    /// What a broker would answer, in the order in which it was written.
    unanswered: VecDeque<Packet>,
    next_stream: u64,
    /// Bytes written on this connection, if all packets were short.
    written: u64,
}

pub(super) fn config() -> Config {
    Config::new("mqtt://localhost", "it").unwrap()
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// As long as that without being so.
pub(super) fn just_before(time: Duration) -> Duration {
    time.saturating_sub(millis(1))
}

impl Bench {
    /// With a handler for each of these filters.
    pub(super) fn new(config: Config, filters: &[(&str, QoS)]) -> Self {
        let wake = Arc::<Wake>::default();
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let (sender, state) = watch::channel(ConnectionState::Connecting);
        let health = Arc::<HealthSlot>::default();
        let ports = Ports {
            outbox: outbox.clone(),
            wake: wake.clone(),
            state: sender,
            health: health.clone(),
        };
        let now = Instant::now();
        let mut session = Session::new(Arc::new(config), ports, now);
        let handlers: Vec<Arc<Queue>> = filters.iter().map(|_| queue(&wake)).collect();
        let plans = filters.iter().zip(&handlers).map(|(&(filter, qos), queue)| Plan {
            target: NewTarget {
                name: format!("the handler of {filter}"),
                filter: without_group(filter).to_owned(),
                queue: queue.clone(),
                workers: 1,
                done_on_receive: false,
                qos,
                stream: None,
                gets_all: filter == without_group(filter),
            },
            subscription: filter.to_owned(),
            qos,
        });
        let started = session.start(plans.collect());
        let unanswered = VecDeque::new();
        Self {
            session,
            now,
            state,
            started,
            handlers,
            outbox,
            health,
            wake,
            unanswered,
            next_stream: 0,
            written: 0,
        }
    }

    /// One that is connected, with all its filters granted.
    pub(super) fn connected(config: Config, filters: &[(&str, QoS)]) -> Self {
        let mut bench = Self::new(config, filters);
        bench.connect(false);
        bench.answer("");
        assert_eq!(*bench.state.borrow(), ConnectionState::Connected);
        bench
    }

    /// Makes the connection that is wanted. Returns what is written on it at first.
    pub(super) fn connect(&mut self, session_present: bool) -> Vec<String> {
        assert_eq!(self.session.wants(), Wants::Dial);
        self.written = 0;
        self.session.connected(self.now, session_present);
        self.turn()
    }

    /// The broker closes the connection, or it breaks.
    pub(super) fn lose(&mut self) {
        assert_eq!(self.session.wants(), Wants::Serve);
        self.session.disconnected(self.now, "cut");
        self.unanswered.clear();
    }

    /// Waits until the session wants to connect. Returns how long that took.
    pub(super) fn wait_to_dial(&mut self) -> Duration {
        let since = self.now;
        while self.session.wants() != Wants::Dial {
            let next = self.session.next_timeout().expect("it waits for the next connection");
            self.now = self.now.max(next);
            self.turn();
        }
        self.now - since
    }

    /// What the driver does whenever something has happened. Returns what is written.
    pub(super) fn turn(&mut self) -> Vec<String> {
        self.session.timeout(self.now);
        let mut out = Written::default();
        if matches!(self.session.wants(), Wants::Serve | Wants::Close) {
            self.session.reads(self.now);
            self.session.transmit(self.now, &mut out);
            self.written += 20 * out.0.len() as u64;
            self.session.wrote(self.now, false, self.written);
            self.session.flushed();
        }
        match self.session.wants() {
            Wants::Close | Wants::SayGoodbye => {
                self.session.disconnected(self.now, "");
                self.unanswered.clear();
            }
            Wants::Dial | Wants::Pause | Wants::Serve | Wants::Stop => {}
        }
        let shown = out.0.iter().map(show).collect();
        let is_answered = |packet: &Packet| match packet {
            Packet::Publish { id, .. } => *id != 0,
            packet => !matches!(packet, Packet::PubAck(_) | Packet::PubComp(_)),
        };
        self.unanswered.extend(out.0.into_iter().filter(is_answered));
        shown
    }

    /// Lets time pass, as the driver does: from one timeout to the next. Returns what is written.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        let mut written = self.turn();
        while let Some(next) = self.session.next_timeout().filter(|next| *next <= end) {
            assert!(next > self.now, "it would be called again at once");
            self.now = next;
            written.extend(self.turn());
        }
        // What is due without having been announced is not done.
        self.now = end;
        written
    }

    /// A packet comes. Returns what is written then.
    pub(super) fn receive(&mut self, packet: Packet) -> Vec<String> {
        self.session.heard(self.now);
        self.session.receive(self.now, packet);
        self.turn()
    }

    pub(super) fn deliver(&mut self, topic: &str, payload: &str, id: u16) -> Vec<String> {
        let qos = if id == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let message =
            Message { topic: topic.into(), payload: payload.to_owned().into(), qos, ..empty() };
        self.receive(Packet::Publish { id, message })
    }

    /// Answers what has been written and is shown with this at its beginning, as a broker does that
    /// agrees to everything. Returns what is written then.
    pub(super) fn answer(&mut self, shown: &str) -> Vec<String> {
        let all = std::mem::take(&mut self.unanswered);
        let (answered, left) = all.into_iter().partition(|packet| show(packet).starts_with(shown));
        self.unanswered = left;
        let mut written = Vec::new();
        for packet in answered {
            let answer = match packet {
                Packet::Subscribe { id, filters } => Packet::SubAck {
                    id,
                    granted: filters.iter().map(|(_, qos)| Ok(*qos)).collect(),
                },
                Packet::Unsubscribe { id, .. } => Packet::UnsubAck { id },
                Packet::Publish { id, message } if message.qos == QoS::ExactlyOnce => {
                    Packet::PubRec(id.into())
                }
                Packet::Publish { id, .. } => Packet::PubAck(id.into()),
                Packet::PubRel(ack) => Packet::PubComp(ack),
                Packet::PubRec(ack) => Packet::PubRel(ack),
                Packet::PingReq => Packet::PingResp,
                _ => continue,
            };
            written.extend(self.receive(answer));
        }
        written
    }

    /// Refuses the SUBSCRIBE that was written. Returns what is written then.
    pub(super) fn refuse(&mut self) -> Vec<String> {
        let at =
            self.unanswered.iter().position(|packet| matches!(packet, Packet::Subscribe { .. }));
        let Some(Packet::Subscribe { id, filters }) = at.and_then(|at| self.unanswered.remove(at))
        else {
            panic!("nothing is asked for")
        };
        self.receive(Packet::SubAck { id, granted: vec![Err(Reason::FAILURE); filters.len()] })
    }

    /// A handler takes its next message, and holds it.
    pub(super) fn take(&self, handler: usize) -> Option<(Message, Option<Hold>)> {
        next(&self.handlers[handler])
    }

    /// A handler handles all that waits for it. Returns the payloads.
    pub(super) fn handle(&self, handler: usize) -> Vec<String> {
        let mut payloads = Vec::new();
        while let Some((message, hold)) = self.take(handler) {
            payloads.push(String::from_utf8_lossy(&message.payload).into_owned());
            hold.into_iter().for_each(Hold::release);
            self.handlers[handler].done();
        }
        payloads
    }

    /// Publishes a message, for which there is room.
    pub(super) fn publish(
        &self,
        topic: &str,
        qos: QoS,
        deadline: Option<Instant>,
    ) -> oneshot::Receiver<Result<()>> {
        let mut entry = Entry::new(Publish::new(topic.to_owned(), "x".into(), qos, false));
        let (sender, receipt) = oneshot::channel();
        (entry.receipt, entry.deadline) = (Some(sender), deadline);
        let accepted = self.outbox.put(entry).now_or_never();
        assert!(matches!(accepted, Some(Ok(()))), "{accepted:?}");
        receipt
    }

    /// What the program says of itself.
    pub(super) fn say(&self, ok: bool, text: &str) {
        self.health.set(HealthReport { ok, event: Some(text.to_owned()), err: None });
    }

    pub(super) fn subscribe(
        &mut self,
        filter: &str,
    ) -> (Arc<Queue>, oneshot::Receiver<Result<()>>) {
        let queue = queue(&self.wake);
        let (done, granted) = oneshot::channel();
        let command = Command::Subscribe {
            stream: self.next_stream,
            filter: filter.to_owned(),
            qos: QoS::AtLeastOnce,
            queue: queue.clone(),
            done_on_receive: false,
            done,
        };
        self.next_stream += 1;
        self.session.command(self.now, command);
        (queue, granted)
    }

    pub(super) fn shut_down(&mut self, limit: Duration) -> oneshot::Receiver<Result<()>> {
        let (done, ended) = oneshot::channel();
        let command = Command::Shutdown { deadline: self.now + limit, done };
        self.session.command(self.now, command);
        ended
    }
}

/// What a stream or a handler takes next.
pub(super) fn next(queue: &Queue) -> Option<(Message, Option<Hold>)> {
    let job = queue.next().now_or_never().flatten()?;
    Some((job.message, job.hold))
}

fn without_group(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/").and_then(|shared| shared.split_once('/'));
    shared.map_or(filter, |(_, filter)| filter)
}

fn queue(wake: &Arc<Wake>) -> Arc<Queue> {
    Arc::new(Queue::new(QUEUE, Overflow::DropOldest, wake.clone()))
}

pub(super) fn empty() -> Message {
    Message {
        topic: "".into(),
        payload: bytes::Bytes::new(),
        qos: QoS::AtLeastOnce,
        retain: false,
        dup: false,
    }
}

/// A packet as the tests name it.
fn show(packet: &Packet) -> String {
    match packet {
        Packet::Publish { message, .. } => match message.topic().strip_prefix("system/") {
            Some(topic) if topic.starts_with("health/") => said(message),
            Some(_) => "heartbeat".to_owned(),
            None => format!("PUBLISH {}", message.topic()),
        },
        Packet::PubAck(ack) => format!("PUBACK {}", ack.id),
        Packet::PubRec(ack) => format!("PUBREC {}", ack.id),
        Packet::PubRel(ack) => format!("PUBREL {}", ack.id),
        Packet::PubComp(ack) => format!("PUBCOMP {}", ack.id),
        Packet::Subscribe { filters, .. } => {
            let filters: Vec<&str> = filters.iter().map(|(filter, _)| filter.as_str()).collect();
            format!("SUBSCRIBE {}", filters.join(" "))
        }
        Packet::Unsubscribe { filters, .. } => format!("UNSUBSCRIBE {}", filters.join(" ")),
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::Disconnect(_) => "DISCONNECT".to_owned(),
        other => panic!("{other:?}"),
    }
}

/// What a message says of the service's health.
fn said(message: &Message) -> String {
    let head = Head::find(&message.payload).unwrap();
    let status: HealthStatus = head.read(&message.payload).unwrap();
    let text = [status.event, status.err].into_iter().flatten().collect::<Vec<_>>().join(": ");
    format!("{} {text}", if status.ok { "well:" } else { "not well:" })
}
