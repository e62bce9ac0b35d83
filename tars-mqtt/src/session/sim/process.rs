//! A service: its session, its handlers, and the program around them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::broker::number;
use super::step::{HANDLERS, Outcome, Setup};
use crate::config::Config;
use crate::delivery::{Entry, Hold, Job, Outbox, Overflow, Queue, Wake};
use crate::error::Result;
use crate::qos::QoS;
use crate::session::{
    Command, ConnectionState, HealthReport, HealthSlot, NewTarget, Plan, Ports, Session,
};
use crate::wire::Publish;

type Putting = Pin<Box<dyn Future<Output = Result<()>>>>;

/// A message that the program has published.
pub(super) struct Published {
    pub(super) number: u32,
    pub(super) qos: QoS,
    pub(super) is_bad: bool,
    pub(super) deadline: Option<Instant>,
    receipt: oneshot::Receiver<Result<()>>,
    /// `None` while it is not known.
    pub(super) outcome: Option<bool>,
    /// The message that it answers.
    pub(super) answers: Option<u32>,
}

struct Put {
    future: Putting,
    published: Published,
    /// Of the handler that publishes, which ends when this is accepted.
    hold: Option<Hold>,
    /// What it was taken for, to be finished with it.
    finishes: Option<(usize, u32)>,
}

pub(super) struct Handler {
    pub(super) filter: &'static str,
    pub(super) qos: QoS,
    queue: Arc<Queue>,
}

pub(super) struct Running {
    handler: usize,
    number: u32,
    hold: Option<Hold>,
    /// The message that another handler is to handle first.
    pub(super) asks: Option<(u32, Arc<()>)>,
}

pub(super) struct Stream {
    pub(super) id: u64,
    filter: &'static str,
    queue: Arc<Queue>,
    granted: Option<oneshot::Receiver<Result<()>>>,
}

pub(super) struct Process {
    pub(super) session: Session,
    pub(super) outbox: Arc<Outbox>,
    pub(super) wake: Arc<Wake>,
    pub(super) state: watch::Receiver<ConnectionState>,
    health: Arc<HealthSlot>,
    pub(super) handlers: Vec<Handler>,
    pub(super) running: Vec<Running>,
    pub(super) streams: Vec<Stream>,
    puts: VecDeque<Put>,
    /// All that was accepted, in order.
    pub(super) published: Vec<Published>,
    pub(super) commands: VecDeque<Command>,
    started: Option<oneshot::Receiver<Result<()>>>,
    pub(super) start_failed: bool,
    /// It has just been told that the start has succeeded.
    pub(super) start_succeeded: bool,
    /// Filters that have just been said to be granted.
    pub(super) granted: Vec<&'static str>,
    pub(super) stopping: Option<(Instant, oneshot::Receiver<Result<()>>)>,
    next_stream: u64,
    /// How often each handler has begun with each message.
    pub(super) runs: BTreeMap<(usize, u32), u32>,
    /// Which handlers are done with which messages.
    pub(super) done: BTreeSet<(usize, u32)>,
    pub(super) is_quiesced: bool,
}

pub(super) fn config(setup: &Setup) -> Config {
    let config = Config::new("mqtt://localhost", "sim").unwrap();
    config
        .max_in_flight(setup.window)
        .max_in_flight_qos2(setup.window_qos2.min(setup.window))
        .max_publish_attempts(if setup.sets_aside { 5 } else { 0 })
        .publish_timeout(setup.publish_timeout.then(|| Duration::from_secs(3)))
        .health(setup.health)
        .heartbeat(setup.heartbeat.then(|| Duration::from_secs(7)))
        .clean_session(setup.clean_session)
        .resubscribe(setup.resubscribes)
        .keep_alive(Duration::from_secs(20))
        .reconnect_delay(Duration::from_millis(10), Duration::from_millis(500))
}

impl Process {
    pub(super) fn start(setup: &Setup, now: Instant) -> Self {
        let config = Arc::new(config(setup));
        let wake = Arc::<Wake>::default();
        let outbox = Arc::new(Outbox::with_room(setup.room, wake.clone()));
        let health = Arc::<HealthSlot>::default();
        let (sender, state) = watch::channel(ConnectionState::Connecting);
        let ports = Ports {
            outbox: outbox.clone(),
            wake: wake.clone(),
            state: sender,
            health: health.clone(),
        };
        let mut session = Session::new(config, ports, now);
        session.limit_ids(255);
        let mut handlers = Vec::new();
        let mut plans = Vec::new();
        for (index, (filter, qos)) in HANDLERS.into_iter().enumerate() {
            if setup.handlers & (1 << index) == 0 {
                continue;
            }
            let queue = Arc::new(Queue::new(4, Overflow::DropOldest, wake.clone()));
            handlers.push(Handler { filter, qos, queue: queue.clone() });
            plans.push(Plan {
                target: NewTarget {
                    name: format!("handler {index}"),
                    filter: filter.to_owned(),
                    queue,
                    workers: 1,
                    done_on_receive: false,
                    qos,
                    stream: None,
                    gets_all: true,
                },
                subscription: filter.to_owned(),
                qos,
            });
        }
        let started = Some(session.start(plans));
        Self {
            session,
            outbox,
            wake,
            state,
            health,
            handlers,
            running: Vec::new(),
            streams: Vec::new(),
            puts: VecDeque::new(),
            published: Vec::new(),
            commands: VecDeque::new(),
            started,
            start_failed: false,
            start_succeeded: false,
            granted: Vec::new(),
            stopping: None,
            next_stream: 0,
            runs: BTreeMap::new(),
            done: BTreeSet::new(),
            is_quiesced: false,
        }
    }

    pub(super) fn publish(
        &mut self,
        topic: &str,
        number: u32,
        qos: QoS,
        deadline: Option<Instant>,
    ) {
        self.put(topic, number, qos, deadline, None);
    }

    pub(super) fn put(
        &mut self,
        topic: &str,
        number: u32,
        qos: QoS,
        deadline: Option<Instant>,
        from: Option<Running>,
    ) {
        let payload = number.to_be_bytes().to_vec().into();
        let mut entry = Entry::new(Publish::new(topic.to_owned(), payload, qos, false));
        let (sender, receipt) = oneshot::channel();
        entry.receipt = Some(sender);
        entry.deadline = deadline;
        let (mut hold, mut finishes, mut answers) = (None, None, None);
        if let Some(from) = from {
            if qos > QoS::AtMostOnce {
                entry.hold = from.hold.as_ref().map(|hold| hold.ticket().hold_for_reply());
                answers = entry.hold.as_ref().map(|_| from.number);
            }
            (hold, finishes) = (from.hold, Some((from.handler, from.number)));
        }
        let outbox = self.outbox.clone();
        let published = Published {
            number,
            qos,
            is_bad: topic == "bad",
            deadline,
            receipt,
            outcome: None,
            answers,
        };
        let future: Putting = Box::pin(async move { outbox.put(entry).await });
        self.puts.push_back(Put { future, published, hold, finishes });
    }

    /// Gives up publishing.
    pub(super) fn drop_publish(&mut self, index: usize) {
        if self.puts.is_empty() {
            return;
        }
        let index = index % self.puts.len();
        if let Some(put) = self.puts.remove(index) {
            drop(put.future);
            self.finish_put(put.hold, put.finishes);
        }
    }

    fn finish_put(&mut self, hold: Option<Hold>, finishes: Option<(usize, u32)>) {
        self.done.extend(finishes);
        if let Some(hold) = hold {
            hold.release();
        }
    }

    pub(super) fn subscribe(&mut self, filter: &'static str, qos: QoS, done_on_receive: bool) {
        let queue = Arc::new(Queue::new(4, Overflow::DropOldest, self.wake.clone()));
        let id = self.next_stream;
        self.next_stream += 1;
        let (done, granted) = oneshot::channel();
        self.commands.push_back(Command::Subscribe {
            stream: id,
            filter: filter.to_owned(),
            qos,
            queue: queue.clone(),
            done_on_receive,
            done,
        });
        self.streams.push(Stream { id, filter, queue, granted: Some(granted) });
    }

    pub(super) fn drop_subscription(&mut self, index: usize) {
        if !self.streams.is_empty() {
            let index = index % self.streams.len();
            let stream = self.streams.remove(index);
            stream.queue.close();
            stream.queue.clear();
            self.commands.push_back(Command::Unsubscribe { stream: stream.id });
        }
    }

    /// A stream is asked for its next message, and done with the one before.
    pub(super) fn next(&mut self, index: usize) -> bool {
        let open = self.streams.len();
        if open == 0 {
            return false;
        }
        let queue = self.streams[index % open].queue.clone();
        queue.hand_out(None);
        let Some(Some(job)) = ready(queue.next()) else { return false };
        queue.done();
        queue.hand_out(job.hold);
        true
    }

    /// A handler takes what waits for it.
    pub(super) fn take(&mut self, index: usize) -> bool {
        if self.handlers.is_empty() {
            return false;
        }
        let index = index % self.handlers.len();
        let queue = self.handlers[index].queue.clone();
        let mut jobs = VecDeque::new();
        let mut taking = Box::pin(queue.take(8, &mut jobs));
        // It gives its thread back once, so that the session can fill the queue.
        if poll(taking.as_mut()).is_pending() {
            let _ = poll(taking.as_mut());
        }
        drop(taking);
        let took = !jobs.is_empty();
        for Job { message, hold } in jobs {
            let number = number(&message);
            *self.runs.entry((index, number)).or_default() += 1;
            self.running.push(Running { handler: index, number, hold, asks: None });
        }
        took
    }

    /// A handler comes to the end of a message.
    pub(super) fn finish(
        &mut self,
        index: usize,
        outcome: Outcome,
        fresh: u32,
        deadline: Option<Instant>,
    ) -> bool {
        if self.running.is_empty() {
            return false;
        }
        let index = index % self.running.len();
        if self.running[index].asks.is_some() {
            return false;
        }
        match outcome {
            Outcome::Ask => {
                if self.handlers.iter().any(|handler| handler.filter == "b") {
                    self.ask(index, fresh, deadline);
                    return true;
                }
                self.finish(index, Outcome::Done, fresh, deadline)
            }
            Outcome::Done => {
                let running = self.running.remove(index);
                self.handlers[running.handler].queue.done();
                self.finish_put(running.hold, Some((running.handler, running.number)));
                true
            }
            Outcome::Reply(qos) => {
                let running = self.running.remove(index);
                self.handlers[running.handler].queue.done();
                self.put("out/1", fresh, qos, deadline, Some(running));
                true
            }
        }
    }

    pub(super) fn ping(&mut self) {
        let (done, _) = oneshot::channel();
        let packet = rumqttc::Packet::PingReq.into();
        self.commands.push_back(Command::Send { packet, done });
    }

    pub(super) fn say(&mut self, ok: bool) {
        self.health.set(HealthReport { ok, event: None, err: None });
        self.wake.wake();
    }

    pub(super) fn shut_down(&mut self, deadline: Instant) {
        if self.stopping.is_none() {
            let (done, stopped) = oneshot::channel();
            self.commands.push_back(Command::Shutdown { deadline, done });
            self.stopping = Some((deadline, stopped));
        }
    }

    /// Lets the program go on where it waits. Returns whether anything has happened.
    pub(super) fn go_on(&mut self) -> bool {
        let mut happened = false;
        let mut index = 0;
        while index < self.puts.len() {
            let Poll::Ready(accepted) = poll(self.puts[index].future.as_mut()) else {
                index += 1;
                continue;
            };
            happened = true;
            let Some(put) = self.puts.remove(index) else { break };
            if accepted.is_ok() {
                self.published.push(put.published);
            }
            self.finish_put(put.hold, put.finishes);
        }
        happened |= self.hear_receipts();
        for running in &mut self.running {
            if let Some((asked, _)) = &running.asks {
                let is_done = self.handlers.iter().enumerate().any(|(at, handler)| {
                    handler.filter == "b" && self.done.contains(&(at, *asked))
                });
                if is_done {
                    running.asks = None;
                    happened = true;
                }
            }
        }
        let mut refused = Vec::new();
        let mut granted_now = Vec::new();
        self.streams.retain_mut(|stream| {
            let Some(granted) = &mut stream.granted else { return true };
            match granted.try_recv() {
                Ok(Ok(())) => {
                    stream.granted = None;
                    granted_now.push(stream.filter);
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
                // The caller has an error, and nothing else.
                Ok(Err(_)) | Err(oneshot::error::TryRecvError::Closed) => {
                    refused.push(stream.id);
                    stream.queue.close();
                    stream.queue.clear();
                    return false;
                }
            }
            true
        });
        self.granted.extend(granted_now);
        for stream in refused {
            self.commands.push_back(Command::Unsubscribe { stream });
        }
        if let Some(started) = &mut self.started {
            match started.try_recv() {
                Ok(outcome) => {
                    self.start_failed = outcome.is_err();
                    self.start_succeeded = outcome.is_ok();
                    self.started = None;
                }
                Err(oneshot::error::TryRecvError::Empty) => {}
                Err(oneshot::error::TryRecvError::Closed) => self.started = None,
            }
        }
        happened
    }

    /// Looks what has become of what was published. Returns whether something is new.
    pub(super) fn hear_receipts(&mut self) -> bool {
        let mut happened = false;
        for published in self.published.iter_mut().filter(|published| published.outcome.is_none()) {
            match published.receipt.try_recv() {
                Ok(outcome) => published.outcome = Some(outcome.is_ok()),
                Err(oneshot::error::TryRecvError::Empty) => continue,
                Err(oneshot::error::TryRecvError::Closed) => published.outcome = Some(false),
            }
            happened = true;
        }
        happened
    }

    /// Whether the session is woken.
    pub(super) fn is_woken(&self) -> bool {
        ready(self.wake.woken()).is_some()
    }

    /// Messages that the broker will never answer.
    pub(super) fn ignored(&self) -> usize {
        let is_bad = |one: &&Published| one.is_bad && one.qos > QoS::AtMostOnce;
        self.published.iter().filter(is_bad).count()
    }

    pub(super) fn is_idle(&self, ignores_bad: bool) -> bool {
        self.puts.is_empty()
            && self.running.is_empty()
            && self
                .published
                .iter()
                .all(|published| published.outcome.is_some() || (ignores_bad && published.is_bad))
            && self.streams.iter().all(|stream| stream.granted.is_none())
    }

    pub(super) fn waits(&self) -> String {
        format!(
            "{} publishing, {} being handled, {} receipts open, {} subscriptions not granted",
            self.puts.len(),
            self.running.len(),
            self.published.iter().filter(|published| published.outcome.is_none()).count(),
            self.streams.iter().filter(|stream| stream.granted.is_some()).count(),
        )
    }

    pub(super) fn is_handling(&self) -> usize {
        self.running.len()
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    match poll(std::pin::pin!(future)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
