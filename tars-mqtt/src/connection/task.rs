use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::Packet;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::copies::Copies;
use super::health::{Health, HealthSlot};
use super::inbox::{Inbox, Tracker};
use super::outgoing::Outgoing;
use super::own_requests::OwnRequests;
use super::packet_ids::PacketIds;
use super::subscriptions::{Subscriber, Subscriptions};
use super::targets::{NewTarget, Targets};
use super::{Command, ConnectionState};
use crate::client::{Client, Shared};
use crate::config::Config;
use crate::delivery::{Entry, Outbox, Wake};
use crate::log::{LogLimit, quoted};
use crate::transport::{ConnectError, Dialer, Opened, TrafficTap, open};
use crate::{Error, QoS, Result};

/// A connection that ends by the broker's hand within this time counts as thrown out.
const SHORT_LIFE: Duration = Duration::from_secs(60);

/// After a connection that was good for this long, the next pause is a short one. Two clients that
/// throw each other out must not do so at the shortest pause.
const GOOD: Duration = Duration::from_secs(10);

/// Thrown out as often as this in a row, something is wrong.
const THROWN_OUT: u32 = 3;

/// The connection: all that outlives a single link to the broker.
#[expect(clippy::struct_excessive_bools, reason = "each is about something else")]
pub(crate) struct Task {
    pub(super) config: Arc<Config>,
    dialer: Dialer,
    tap: TrafficTap,
    pub(super) outbox: Arc<Outbox>,
    pub(super) wake: Arc<Wake>,
    pub(super) commands: mpsc::UnboundedReceiver<Box<Command>>,
    state: watch::Sender<ConnectionState>,
    /// Told once how the first connection went.
    pub(super) started: Option<oneshot::Sender<Result<()>>>,
    pub(super) targets: Targets,
    pub(super) subscriptions: Subscriptions,
    /// Connections of the same service, without which it is not well.
    others: Vec<watch::Receiver<ConnectionState>>,
    /// The connection to be woken when the state of this one changes.
    observer: Option<Arc<Wake>>,
    pub(super) copies: Copies,
    pub(super) own_requests: OwnRequests,
    pub(super) inbox: Inbox,
    pub(super) outgoing: Outgoing,
    pub(super) ids: PacketIds,
    pub(super) health: Health,
    pub(super) backoff: Backoff,
    pub(super) stop: Option<Stop>,
    /// No more messages are taken.
    pub(super) quiesced: bool,
    pub(super) unexpected: LogLimit,
    /// When the connection became healthy.
    pub(super) healthy_since: Option<Instant>,
    /// Packets that the program sends past the session, and that wait for room.
    pub(super) external: VecDeque<(Packet, oneshot::Sender<Result<()>>)>,
    /// Set when the task ends without having said goodbye, because its runtime is gone.
    aborted: Arc<AtomicBool>,
    /// All clients have been dropped.
    pub(super) orphaned: bool,
    /// What was asked for at the start was refused; there is no point in going on.
    pub(super) failed: bool,
    thrown_out: u32,
    ended: bool,
}

/// A shutdown that was asked for.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) deadline: Instant,
    pub(super) done: Vec<oneshot::Sender<Result<()>>>,
    pub(super) said_goodbye: bool,
}

/// One that messages are handed to from the start, with its subscription.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) target: NewTarget,
    /// The filter as it is subscribed to, with `$share` where there is a group.
    pub(crate) subscription: String,
    pub(crate) qos: QoS,
}

/// How a link ended.
#[derive(Debug)]
pub(super) enum End {
    /// It broke, or had to be given up.
    Lost { reason: String, by_broker: bool },
    /// The broker has messages for which there was no room, and sends them on the next connection.
    Drained,
    /// The client has said goodbye.
    Stopped,
}

impl Task {
    /// A client and its connection, which is made once the task is spawned.
    pub(crate) fn prepare(config: Config, dialer: Dialer, has_handlers: bool) -> (Client, Self) {
        let config = Arc::new(config);
        let wake = Arc::new(Wake::default());
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let (commands_sender, commands) = mpsc::unbounded_channel();
        let (state, state_receiver) = watch::channel(ConnectionState::Connecting);
        let tap = TrafficTap::default();
        let aborted = Arc::new(AtomicBool::new(false));
        let health = Arc::new(HealthSlot::default());
        let client = Client(Arc::new(Shared {
            config: config.clone(),
            aborted: aborted.clone(),
            health: health.clone(),
            has_handlers,
            streams: AtomicU64::new(0),
            outbox: outbox.clone(),
            wake: wake.clone(),
            commands: commands_sender,
            state: state_receiver,
            tap: tap.clone(),
            ending: std::sync::OnceLock::new(),
            answers: std::sync::Mutex::default(),
        }));
        let task = Self {
            dialer,
            tap,
            outbox,
            commands,
            state,
            started: None,
            targets: Targets::new(wake.clone()),
            wake,
            subscriptions: Subscriptions::default(),
            others: Vec::new(),
            observer: None,
            copies: Copies::default(),
            own_requests: OwnRequests::default(),
            inbox: Inbox::default(),
            outgoing: Outgoing::new(&config),
            ids: PacketIds::default(),
            health: Health::new(config.clone(), health),
            backoff: Backoff::new(config.reconnect_delays()),
            config,
            stop: None,
            quiesced: false,
            unexpected: LogLimit::default(),
            healthy_since: None,
            external: VecDeque::new(),
            aborted,
            orphaned: false,
            failed: false,
            thrown_out: 0,
            ended: false,
        };
        (client, task)
    }

    /// Says of QoS 0 messages too when they have been handled, for a test that waits for that.
    pub(crate) fn track_all(&mut self, tracker: Tracker) {
        self.inbox.track_all(tracker);
    }

    /// Makes the health of this connection depend on another one of the same service.
    pub(crate) fn depend_on(&mut self, client: &Client, other: &mut Self) {
        self.others.push(client.0.state.clone());
        other.observer = Some(self.wake.clone());
        other.wake.join(&self.wake);
    }

    /// Whether the other connections of the service are good.
    pub(super) fn others_are_connected(&self) -> bool {
        self.others.iter().all(|state| *state.borrow() == ConnectionState::Connected)
    }

    /// Starts to connect. What is returned tells how the first connection went: `Ok` once every
    /// subscription is acknowledged.
    pub(crate) fn spawn(mut self, plans: Vec<Plan>) -> oneshot::Receiver<Result<()>> {
        let mut wanted = Vec::new();
        for Plan { target, subscription, qos } in plans {
            let name = target.name.clone();
            let target = self.targets.add(target);
            wanted.push((
                subscription,
                qos,
                Subscriber { target, name, done: None, ephemeral: false },
            ));
        }
        self.subscriptions.add_all(wanted);
        self.copies.set_filters(self.subscriptions.plain_filters());
        let (started, outcome) = oneshot::channel();
        self.started = Some(started);
        crate::task::spawn(Box::pin(Box::new(self).run()));
        outcome
    }

    async fn run(mut self: Box<Self>) {
        let left = self.keep_connected().await;
        self.end(Some(left));
    }

    /// Nothing goes out or comes in any more. `left` says how many messages are left behind; it is
    /// not known where the runtime has dropped the task.
    fn end(&mut self, left: Option<usize>) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.aborted.store(left.is_none(), Ordering::Release);
        self.outbox.set_link(false);
        let unsent = self.outbox.close();
        let left = left.map(|left| left.max(self.outgoing.unfinished() + unsent.len()));
        for entry in unsent {
            if let Some(receipt) = entry.receipt {
                // Whoever published may not be interested.
                let _ = receipt.send(Err(Error::Stopped));
            }
        }
        self.outgoing.abandon();
        self.subscriptions.abandon();
        self.answer_external();
        self.targets.close();
        if let Some(messages) = left.filter(|&left| left > 0) {
            tracing::warn!(messages, "messages were left unsent");
        }
        self.commands.close();
        self.state.send_replace(ConnectionState::Stopped);
        let mut waiting = self.stop.take().map(|stop| stop.done).unwrap_or_default();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Shutdown { done, .. } = *command {
                waiting.push(done);
            }
        }
        for done in waiting {
            // Whoever asked may have given up.
            let _ = done.send(match left {
                Some(0) => Ok(()),
                Some(_) => Err(Error::Timeout(self.config.shutdown_limit())),
                None => Err(Error::Stopped),
            });
        }
    }

    /// What waited for room goes nowhere.
    pub(super) fn answer_external(&mut self) {
        for (_, done) in self.external.drain(..) {
            // Whoever sent it may not wait for that.
            let _ = done.send(Ok(()));
        }
    }

    /// Connects again and again until the client stops. Returns how many messages are left.
    async fn keep_connected(&mut self) -> usize {
        loop {
            self.set_state(ConnectionState::Connecting);
            let dialer = self.dialer.clone();
            let (config, will, tap) =
                (self.config.clone(), self.health.last_will(), self.tap.clone());
            let opening = async move { open(&dialer, &config, will, tap).await };
            let Some(opened) = self.while_offline(opening).await else {
                return self.unfinished();
            };
            match opened {
                Ok(opened) => match self.connected(opened).await {
                    Next::Stop => return self.unfinished(),
                    Next::ConnectAtOnce => continue,
                    Next::ConnectAgain => {}
                },
                Err(ConnectError::Refused(refusal)) => {
                    tracing::error!(broker = %self.config.url(), "{refusal}");
                    if let Some(started) = self.started.take() {
                        let _ = started.send(Err(Error::Refused(refusal)));
                        return self.unfinished();
                    }
                }
                Err(error) => {
                    // Where the broker is gone, nobody throws anybody out. (Some make a client wait
                    // that throws another out, and forget it when that one comes back.)
                    if let ConnectError::Failed(_) = error {
                        self.thrown_out = 0;
                    }
                    tracing::warn!(broker = %self.config.url(), "cannot connect: {error}");
                }
            }
            self.set_state(ConnectionState::Disconnected);
            let pause = self.backoff.next();
            tracing::info!("connecting again in {pause:?}");
            if self.while_offline(tokio::time::sleep(pause)).await.is_none() {
                return self.unfinished();
            }
        }
    }

    /// Runs a link to its end.
    async fn connected(&mut self, opened: Opened) -> Next {
        let since = Instant::now();
        if !opened.session_present {
            self.outgoing.session_lost(&mut self.ids);
            self.inbox.session_lost();
            self.subscriptions.session_lost();
        } else if self.config.subscribes_always() {
            self.subscriptions.ask_again();
        }
        if opened.session_present {
            // An earlier process may have left identifiers in use that this one knows nothing of.
            self.ids.begin_anywhere();
        }
        self.outgoing.connected(opened.session_present, since);
        self.subscriptions.connected(since);
        tracing::info!(
            broker = %self.config.url(),
            session_present = opened.session_present,
            "connected"
        );
        self.outbox.set_link(true);
        let end = self.serve(opened.link).await;
        // What came before the end is handled all the same.
        self.targets.flush();
        self.outbox.set_link(false);
        let by_broker = matches!(end, End::Lost { by_broker: true, .. });
        let now = Instant::now();
        let closed_at_once = by_broker && since.elapsed() < SHORT_LIFE;
        if let Some(entry) = self.outgoing.connection_lost(&mut self.ids, closed_at_once, now) {
            not_accepted(entry);
        }
        self.inbox.connection_lost();
        self.subscriptions.connection_lost(&mut self.ids, closed_at_once, now);
        self.copies.connection_lost();
        self.health.connection_lost();
        self.answer_external();
        if self.healthy_since.take().is_some_and(|since| since.elapsed() >= GOOD) {
            self.backoff.reset();
        }
        match end {
            End::Stopped => Next::Stop,
            End::Drained => Next::ConnectAtOnce,
            End::Lost { reason, .. } => {
                tracing::warn!("the connection is lost: {}", quoted(&reason));
                self.look_for_the_cause(closed_at_once);
                if self.failed { Next::Stop } else { Next::ConnectAgain }
            }
        }
    }

    /// A broker that throws this client out again and again most likely has another client of the
    /// same id, which it takes for this one (MQTT-3.1.4-2), or is sent what it does not take: MQTT
    /// 3.1.1 has no other answer to that.
    fn look_for_the_cause(&mut self, thrown_out: bool) {
        if !thrown_out {
            self.thrown_out = 0;
            return;
        }
        self.thrown_out += 1;
        let suspect = self.outgoing.suspect().filter(|entry| entry.closes >= THROWN_OUT);
        if self.thrown_out != THROWN_OUT && !self.thrown_out.is_multiple_of(10 * THROWN_OUT) {
            return;
        }
        if let Some(Entry { publish, .. }) = suspect {
            tracing::error!(
                client_id = self.config.client_id(),
                times = self.thrown_out,
                topic = &*quoted(publish.topic()),
                qos = publish.qos().level(),
                "the broker closed one connection after the other, each time with this message as \
                 the first that it had not acknowledged: most likely it does not take the message \
                 (its topic, its quality of service, its size, or it does not permit it); the \
                 message is set aside, tried alone, and given up after \
                 MQTT_MAX_PUBLISH_ATTEMPTS closed connections"
            );
        } else {
            tracing::error!(
                client_id = self.config.client_id(),
                times = self.thrown_out,
                "the broker closed one connection after the other soon after it had accepted them: \
                 most likely another client uses the same client id, and the two throw each other \
                 out in turn; give each its own MQTT_CLIENT_ID"
            );
        }
    }

    pub(super) fn set_state(&self, state: ConnectionState) {
        let is_new =
            self.state.send_if_modified(|current| std::mem::replace(current, state) != state);
        if let Some(observer) = self.observer.as_ref().filter(|_| is_new) {
            observer.wake();
        }
    }

    pub(super) fn unfinished(&self) -> usize {
        self.outgoing.unfinished() + self.outbox.len()
    }

    /// Waits for something while there is no link, and goes on answering clients. `None` when the
    /// client is to stop first.
    async fn while_offline<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        loop {
            let now = Instant::now();
            self.expire(now);
            let expiry = self.next_expiry().filter(|expiry| *expiry > now);
            let deadline = self.stop.as_ref().map(|stop| stop.deadline);
            if deadline.is_some() && self.unfinished() == 0 {
                return None;
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                return None;
            }
            let next = deadline.into_iter().chain(expiry).min();
            let until_next = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                output = &mut future => return Some(output),
                command = self.commands.recv(), if !self.orphaned => self.obey(command, false),
                () = until_next => {}
                // There may be something new that expires.
                () = self.wake.woken() => {}
            }
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end(None);
    }
}

/// What happens after a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Stop,
    ConnectAtOnce,
    ConnectAgain,
}

/// A message is given up because the broker closes the connection whenever it is sent.
fn not_accepted(entry: Entry) {
    let (topic, closes) = (entry.publish.topic().to_owned(), entry.closes);
    tracing::error!(
        topic = &*quoted(&topic),
        qos = entry.publish.qos().level(),
        closes,
        "a message is given up: the broker closes the connection whenever it is sent"
    );
    entry.failed(Error::NotAccepted { topic, closes });
}
