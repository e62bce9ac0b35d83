use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::ConnectionState;
use super::subscriptions::Answer;
use super::targets::Handed;
use super::task::{EXPIRY_TICK, End, Task};
use super::vitals::Vitals;
use crate::QoS;
use crate::log::quoted;
use crate::transport::{Link, Received};

/// Bytes of unacknowledged messages from which on nothing more is read. A broker with a sane window
/// never sends that much.
const MAX_UNACKNOWLEDGED_BYTES: usize = 64 * 1024 * 1024;

/// A message that holds up the others for this long is named in a warning.
const STALL: Duration = Duration::from_secs(10);

/// Fewer bytes than this at once are a packet or a few, not a stream of them.
const LITTLE: usize = 4096;

/// Of the time for a shutdown, what is kept for the goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// What a single link knows.
struct Serving {
    link: Link,
    vitals: Vitals,
    healthy: bool,
    /// Of the message that was last named as holding up the others.
    warned_of: Option<Instant>,
    next_expiry: Option<Instant>,
    /// The last packets came one by one: the broker may wait until it knows that they have come.
    read_little: bool,
}

impl Task {
    /// Keeps a link going until it breaks or the client has said goodbye.
    pub(super) async fn serve(&mut self, link: Link) -> End {
        let now = Instant::now();
        let mut serving = Serving {
            link,
            vitals: Vitals::new(&self.config, now),
            healthy: false,
            warned_of: None,
            next_expiry: self.config.publish_limit().map(|_| now),
            read_little: false,
        };
        let mut timer = pin!(tokio::time::sleep_until(now));
        loop {
            match self.turn(&mut serving, timer.as_mut()).await {
                Ok(true) => {}
                Ok(false) => return self.leave(serving.link).await,
                Err(end) => return end,
            }
        }
    }

    /// One round. Returns `false` when it is time to say goodbye.
    async fn turn(
        &mut self,
        serving: &mut Serving,
        mut timer: std::pin::Pin<&mut Sleep>,
    ) -> Result<bool, End> {
        let now = Instant::now();
        self.look_around(serving, now)?;
        let all_taken_in = self.take_in(&mut serving.link, now)?;
        self.tell_of_health(serving, now);
        self.write(serving, now);
        if std::mem::take(&mut serving.read_little)
            && self.inbox.is_empty()
            && !serving.link.has_unsent()
        {
            serving.link.acknowledge_at_once();
        }
        if self.stop.is_some() && self.is_time_to_leave(now) {
            return Ok(false);
        }
        if !all_taken_in && !self.targets.congested(now) {
            // There is room again already.
            return Ok(true);
        }
        let reading = all_taken_in && self.inbox.bytes() < MAX_UNACKNOWLEDGED_BYTES;
        if !reading {
            // Nothing can be heard of the broker while nothing is read.
            serving.vitals.heard(now);
        }
        self.arm(serving, now, timer.as_mut());
        let had_unsent = serving.link.has_unsent();
        tokio::select! {
            driven = serving.link.drive(reading) => {
                let read = driven.map_err(|error| End::Lost {
                    reason: error.to_string(),
                    by_broker: true,
                })?;
                let now = Instant::now();
                if read > 0 {
                    serving.vitals.heard(now);
                    serving.read_little = read < LITTLE;
                }
            }
            () = self.wake.woken() => {}
            command = self.commands.recv(), if !self.orphaned => {
                self.obey(command, Some(&mut serving.link));
            }
            () = timer.as_mut() => {}
        }
        if had_unsent {
            let unsent = serving.link.has_unsent();
            serving.vitals.sending(now, unsent);
            if !unsent {
                self.outgoing.flushed();
            }
        }
        Ok(true)
    }

    /// Takes in what has arrived, as long as there is room for it. Returns whether that is all.
    fn take_in(&mut self, link: &mut Link, now: Instant) -> Result<bool, End> {
        let broken =
            |reason| End::Lost { reason: format!("protocol error: {reason}"), by_broker: false };
        let mut all = false;
        while !all && !self.targets.congested(now) {
            match link.next().map_err(broken)? {
                Some(received) => self.receive(received, link, now)?,
                None => all = true,
            }
        }
        self.targets.flush();
        Ok(all)
    }

    fn receive(&mut self, received: Received, link: &mut Link, now: Instant) -> Result<(), End> {
        match received {
            Received::Publish { id, message } => {
                if !self.quiesced || self.targets.is_awaited(message.topic()) {
                    self.message(id, message, now);
                }
            }
            Received::Unreadable(unreadable) => {
                if let Some(suppressed) = self.oddities.allow() {
                    tracing::warn!(
                        topic = %quoted(&unreadable.topic),
                        suppressed,
                        "a message was refused: {}",
                        quoted(&unreadable.reason)
                    );
                }
                if unreadable.qos > QoS::AtMostOnce {
                    self.inbox.push(unreadable.id, unreadable.stand_in(), None, now);
                }
            }
            Received::PubAck(id) | Received::PubComp(id) => {
                self.outgoing.acknowledged(id, &mut self.ids);
            }
            Received::PubRec(id) => self.outgoing.received(id, link),
            Received::PubRel(id) => self.inbox.release(id, link),
            Received::SubAck { id, granted } => self.subscribed(id, &granted)?,
            Received::UnsubAck(id) => self.subscriptions.unsubscribed(id, &mut self.ids),
            Received::PingResp => {}
            Received::Disconnect => {
                let reason = "the broker ended the connection".to_owned();
                return Err(End::Lost { reason, by_broker: true });
            }
        }
        Ok(())
    }

    fn message(&mut self, id: u16, message: crate::message::Message, now: Instant) {
        if message.qos > QoS::AtMostOnce && self.inbox.is_known(id, &message, now) {
            return;
        }
        let tracked = message.qos > QoS::AtMostOnce || self.inbox.tracks_all();
        let known = tracked.then(|| message.clone());
        let ticket = if self.copies.is_copy(&message) {
            None
        } else {
            match self.targets.hand_on(message, tracked) {
                Handed::On(ticket) => ticket,
                Handed::Unhandled(message) => {
                    self.unhandled(message.topic());
                    None
                }
            }
        };
        if let Some(message) = known {
            self.inbox.push(id, message, ticket, now);
        }
    }

    /// A message that no handler takes: most likely an earlier version of the service had
    /// subscribed to it, and the broker kept the session.
    fn unhandled(&mut self, topic: &str) {
        if self.subscriptions.is_foreign(topic) {
            return;
        }
        if let Some(suppressed) = self.oddities.allow() {
            tracing::warn!(
                topic = %quoted(topic),
                suppressed,
                "a message came that no handler takes; it is acknowledged, and what an earlier \
                 version of this service may have subscribed to is unsubscribed"
            );
        }
        self.subscriptions.drop_leftovers(topic);
    }

    fn subscribed(&mut self, id: u16, granted: &[Option<QoS>]) -> Result<(), End> {
        let Answer { refused, gone } = self
            .subscriptions
            .answered(id, granted, &mut self.ids)
            .map_err(|reason| End::Lost { reason, by_broker: false })?;
        if !gone.is_empty() {
            for target in gone {
                self.targets.remove(target);
            }
            self.copies.set_filters(self.subscriptions.plain_filters());
        }
        if refused.is_empty() {
            return Ok(());
        }
        let mut reason = String::new();
        for error in &refused {
            tracing::error!("{error}");
            let separator = if reason.is_empty() { "" } else { "; " };
            reason.push_str(separator);
            reason.push_str(&error.to_string());
        }
        if let Some(started) = self.started.take() {
            // Whoever started the client may have given up waiting.
            let _ = started.send(refused.into_iter().next().map_or(Ok(()), Err));
            self.failed = true;
            return Err(End::Lost {
                reason: "a subscription was refused".into(),
                by_broker: false,
            });
        }
        if let Some(entry) = self.health.failing(reason) {
            self.outgoing.push_status(entry);
        }
        Ok(())
    }

    /// Checks that the broker is alive, and does what time demands.
    fn look_around(&mut self, serving: &mut Serving, now: Instant) -> Result<(), End> {
        let lost = |reason| Err(End::Lost { reason, by_broker: false });
        if let Some(reason) = serving.vitals.verdict(now) {
            return lost(reason);
        }
        if self.subscriptions.deadline().is_some_and(|deadline| deadline <= now) {
            return lost("the broker did not answer a subscription in time".to_owned());
        }
        if serving.vitals.ping_due(now) {
            serving.link.ping();
        }
        self.warn_of_a_stall(serving, now);
        if serving.next_expiry.is_some_and(|next| next <= now) {
            serving.next_expiry = Some(now + EXPIRY_TICK);
            self.expire();
        }
        Ok(())
    }

    fn tell_of_health(&mut self, serving: &mut Serving, now: Instant) {
        if !serving.healthy && self.subscriptions.all_granted() {
            serving.healthy = true;
            self.healthy();
        }
        if serving.healthy
            && serving.vitals.heartbeat_due(now)
            && let Some(entry) = self.health.heartbeat()
        {
            self.outgoing.push_status(entry);
        }
    }

    fn healthy(&mut self) {
        self.backoff.reset();
        if self.stop.is_none()
            && let Some(entry) = self.health.ready()
        {
            self.outgoing.push_status(entry);
        }
        self.set_state(ConnectionState::Connected);
        if let Some(started) = self.started.take() {
            // Whoever started the client may have given up waiting.
            let _ = started.send(Ok(()));
        }
    }

    fn warn_of_a_stall(&mut self, serving: &mut Serving, now: Instant) {
        let Some(stalled) = self.inbox.stalled() else { return };
        if now.duration_since(stalled.since) < STALL || serving.warned_of == Some(stalled.since) {
            return;
        }
        serving.warned_of = Some(stalled.since);
        let handler = self.targets.busy(stalled.topic);
        tracing::warn!(
            handler,
            topic = %quoted(stalled.topic),
            waiting = stalled.behind,
            "a message has been unacknowledged for {STALL:?} and holds up those behind it"
        );
    }

    /// Writes into the link's buffer what is due, the most urgent first.
    fn write(&mut self, serving: &mut Serving, now: Instant) {
        let link = &mut serving.link;
        self.subscriptions.send(link, &mut self.ids, now);
        self.inbox.acknowledge(link, now);
        self.outgoing.send(link, &mut self.ids, &self.outbox);
    }

    /// Sets the timer for whatever is due first.
    fn arm(&self, serving: &Serving, now: Instant, timer: std::pin::Pin<&mut Sleep>) {
        let stall = self
            .inbox
            .stalled()
            .filter(|stalled| serving.warned_of != Some(stalled.since))
            .map(|stalled| stalled.since + STALL);
        let stop = self.stop.as_ref().map(|stop| {
            if stop.said_goodbye { stop.deadline } else { self.goodbye_at(stop.deadline) }
        });
        let others = [
            self.subscriptions.deadline(),
            self.targets.patience_ends(),
            serving.next_expiry,
            stall,
            stop,
        ];
        let next = others.into_iter().flatten().fold(serving.vitals.next(), Instant::min);
        // A timer that rings too early costs less than one that is set with every message.
        if timer.deadline() > next || timer.deadline() <= now {
            timer.reset(next.max(now));
        }
    }

    fn goodbye_at(&self, deadline: Instant) -> Instant {
        let reserve = GOODBYE.min(self.config.shutdown_limit() / 5);
        deadline.checked_sub(reserve).unwrap_or(deadline)
    }

    /// Whether all has been sent and said, or there is no time left for it.
    fn is_time_to_leave(&mut self, now: Instant) -> bool {
        let Some(stop) = &self.stop else { return false };
        let (deadline, said_goodbye) = (stop.deadline, stop.said_goodbye);
        let all_sent = self.outgoing.unfinished() == 0 && self.outbox.len() == 0;
        if !said_goodbye && (all_sent || now >= self.goodbye_at(deadline)) {
            if let Some(stop) = &mut self.stop {
                stop.said_goodbye = true;
            }
            if let Some(entry) = self.health.shutdown() {
                self.outgoing.push_status(entry);
                // Written in the next round, acknowledged in a later one.
                self.wake.wake();
                return false;
            }
            return true;
        }
        said_goodbye && (all_sent || now >= deadline)
    }

    /// Says goodbye. Where the broker has not taken the last word on health, it is left unsaid, so
    /// that the last will tells of the end.
    async fn leave(&mut self, mut link: Link) -> End {
        self.inbox.acknowledge(&mut link, Instant::now());
        if !self.config.is_clean_session() {
            // Else the broker would go on collecting for subscriptions that end with this process.
            let passing = self.subscriptions.passing();
            if !passing.is_empty()
                && let Some(id) = self.ids.take()
            {
                link.unsubscribe(id, passing);
            }
        }
        if !self.outgoing.status_is_pending() {
            link.disconnect();
        }
        // The broker may have gone; then there is nobody to say goodbye to.
        let _ = tokio::time::timeout(GOODBYE, link.close()).await;
        End::Stopped
    }
}
