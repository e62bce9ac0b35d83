use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::copies::Copies;
use super::health::Health;
use super::inbox::{Inbox, Tracker};
use super::outgoing::Outgoing;
use super::packet_ids::PacketIds;
use super::subscriptions::{Subscriber, Subscriptions};
use super::targets::{NewTarget, Targets};
use super::{Command, ConnectionState};
use crate::client::{Client, Shared};
use crate::config::Config;
use crate::delivery::{Entry, Outbox, Wake};
use crate::log::LogLimit;
use crate::transport::{ConnectError, Dialer, Link, Opened, TrafficTap, filters, open};
use crate::{Error, QoS, Result};

/// How often messages are looked over that may not wait for ever.
pub(super) const EXPIRY_TICK: Duration = Duration::from_millis(100);

/// A connection that ends by the broker's hand within this time counts as thrown out.
const SHORT_LIFE: Duration = Duration::from_secs(60);

/// Thrown out as often as this in a row, something is wrong.
const THROWN_OUT: u32 = 3;

/// The connection: all that outlives a single link to the broker.
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
    pub(super) copies: Copies,
    pub(super) inbox: Inbox,
    pub(super) outgoing: Outgoing,
    pub(super) ids: PacketIds,
    pub(super) health: Health,
    pub(super) backoff: Backoff,
    pub(super) stop: Option<Stop>,
    /// No more messages are taken.
    pub(super) quiesced: bool,
    pub(super) oddities: LogLimit,
    /// All clients have been dropped.
    pub(super) orphaned: bool,
    /// What was asked for at the start was refused; there is no point in going on.
    pub(super) failed: bool,
    thrown_out: u32,
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
    /// The client has said goodbye.
    Stopped,
}

impl Task {
    /// A client and its connection, which is made once the task is spawned.
    pub(crate) fn prepare(config: Config, dialer: Dialer) -> (Client, Self) {
        let config = Arc::new(config);
        let wake = Arc::new(Wake::default());
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let (commands_sender, commands) = mpsc::unbounded_channel();
        let (state, state_receiver) = watch::channel(ConnectionState::Connecting);
        let tap = TrafficTap::default();
        let client = Client(Arc::new(Shared {
            config: config.clone(),
            outbox: outbox.clone(),
            wake: wake.clone(),
            commands: commands_sender,
            state: state_receiver,
            tap: tap.clone(),
            ending: std::sync::OnceLock::new(),
            answers: tokio::sync::Mutex::new(HashMap::new()),
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
            copies: Copies::default(),
            inbox: Inbox::default(),
            outgoing: Outgoing::default(),
            ids: PacketIds::default(),
            health: Health::new(config.clone()),
            backoff: Backoff::new(config.reconnect_delays()),
            config,
            stop: None,
            quiesced: false,
            oddities: LogLimit::default(),
            orphaned: false,
            failed: false,
            thrown_out: 0,
        };
        (client, task)
    }

    /// Says of QoS 0 messages too when they have been handled, for a test that waits for that.
    pub(crate) fn track_all(&mut self, tracker: Tracker) {
        self.inbox.track_all(tracker);
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
                Subscriber { target, name, done: None, passing: false },
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
        self.outbox.set_link(false);
        let unsent = self.outbox.close();
        let left = left.max(self.outgoing.unfinished() + unsent.len());
        for entry in unsent {
            if let Some(receipt) = entry.receipt {
                // Whoever published may not be interested.
                let _ = receipt.send(Err(Error::Stopped));
            }
        }
        self.outgoing.abandon();
        self.subscriptions.abandon();
        self.targets.close();
        if left > 0 {
            tracing::warn!(messages = left, "messages were left unsent");
        }
        self.state.send_replace(ConnectionState::Stopped);
        self.commands.close();
        let mut waiting = self.stop.map(|stop| stop.done).unwrap_or_default();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Shutdown { done, .. } = *command {
                waiting.push(done);
            }
        }
        for done in waiting {
            let limit = self.config.shutdown_limit();
            let _ = done.send(if left == 0 { Ok(()) } else { Err(Error::Timeout(limit)) });
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
                Ok(opened) => {
                    if self.connected(opened).await {
                        return self.unfinished();
                    }
                }
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

    /// Runs a link to its end. Returns whether the client has stopped.
    async fn connected(&mut self, opened: Opened) -> bool {
        let since = Instant::now();
        if !opened.session_present {
            self.outgoing.session_lost(&mut self.ids);
            self.inbox.session_lost();
            self.subscriptions.session_lost();
        }
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
        self.outgoing.connection_lost(&mut self.ids);
        self.inbox.connection_lost();
        self.subscriptions.connection_lost(&mut self.ids);
        self.copies.connection_lost();
        match end {
            End::Stopped => true,
            End::Lost { reason, by_broker } => {
                tracing::warn!("the connection is lost: {reason}");
                self.look_for_the_cause(by_broker && since.elapsed() < SHORT_LIFE);
                self.failed
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
        let suspect = self.outgoing.suspect().filter(|entry| entry.suspected >= THROWN_OUT);
        if self.thrown_out != THROWN_OUT && !self.thrown_out.is_multiple_of(10 * THROWN_OUT) {
            return;
        }
        if let Some(Entry { publish, .. }) = suspect {
            tracing::error!(
                client_id = self.config.client_id(),
                times = self.thrown_out,
                topic = publish.topic(),
                qos = publish.qos().level(),
                "the broker closed one connection after the other, each time with this message as \
                 the first that it had not acknowledged: most likely it does not take the message \
                 (its topic, its quality of service, its size, or it does not permit it); the \
                 message is kept and sent again until MQTT_PUBLISH_TIMEOUT is over, if that is set"
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
        self.state.send_if_modified(|current| std::mem::replace(current, state) != state);
    }

    pub(super) fn unfinished(&self) -> usize {
        self.outgoing.unfinished() + self.outbox.len()
    }

    /// Waits for something while there is no link, and goes on answering clients. `None` when the
    /// client is to stop first.
    async fn while_offline<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let expiry = self.config.publish_limit().map_or(Duration::MAX, |_| EXPIRY_TICK);
        loop {
            let deadline = self.stop.as_ref().map(|stop| stop.deadline);
            if deadline.is_some() && self.unfinished() == 0 {
                return None;
            }
            let until_deadline = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                output = &mut future => return Some(output),
                command = self.commands.recv(), if !self.orphaned => self.obey(command, None),
                () = until_deadline => return None,
                () = tokio::time::sleep(expiry), if expiry < Duration::MAX => self.expire(),
            }
        }
    }

    /// Does what a client asks for. `None` means that there is no client any more.
    pub(super) fn obey(&mut self, command: Option<Box<Command>>, link: Option<&mut Link>) {
        match command.map(|command| *command) {
            Some(Command::Subscribe { filter, qos, queue, done }) => {
                let name = format!("the client {}", self.config.client_id());
                let target = self.targets.add(NewTarget {
                    name: name.clone(),
                    filter: filter.clone(),
                    queue,
                    workers: 1,
                    done_on_receive: false,
                });
                let subscriber = Subscriber { target, name, done: Some(done), passing: true };
                if self.subscriptions.add(&filter, qos, subscriber) {
                    self.copies.add_filter(&filter);
                }
            }
            Some(Command::Unsubscribe(target)) => {
                self.targets.remove(target);
                self.subscriptions.remove(target);
                self.copies.set_filters(self.subscriptions.plain_filters());
            }
            Some(Command::Send { packet, done }) => {
                if let Some(link) = link {
                    self.subscriptions.add_foreign(filters(&packet));
                    link.send(packet);
                }
                // Whoever sent it may not wait for that.
                let _ = done.send(Ok(()));
            }
            Some(Command::Health(report)) => {
                if let Some(entry) = self.health.said(report) {
                    self.outgoing.push_status(entry);
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

    /// Gives up messages that have waited too long for their acknowledgement.
    pub(super) fn expire(&mut self) {
        let Some(limit) = self.config.publish_limit() else { return };
        let now = Instant::now();
        let late = self.outgoing.expire(now).into_iter().chain(self.outbox.expire(now));
        for entry in late {
            tracing::warn!(
                topic = entry.publish.topic(),
                "a message was given up: the broker did not acknowledge it within {limit:?}"
            );
            entry.failed(Error::Timeout(limit));
        }
    }
}
