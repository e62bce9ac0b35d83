use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::ConnectionState;
use super::task::{End, Task};
use super::vitals::Vitals;
use crate::log::quoted;
use crate::transport::Link;

/// A message that holds up the others for this long is named in a warning.
const STALL: Duration = Duration::from_secs(10);

/// A stream of the client that has not looked at a message for this long lets go of it, so that it
/// does not hold up the others.
const STREAM_PATIENCE: Duration = Duration::from_secs(10);

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
    /// When the message came that streams were last asked to let go of.
    let_go_of: Option<Instant>,
    told_refusal: bool,
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
            let_go_of: None,
            told_refusal: false,
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
        serving.vitals.wrote(now, serving.link.has_unsent(), serving.link.written());
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
        if self.inbox.is_drained() && self.stop.is_none() {
            return Err(End::Drained);
        }
        if !all_taken_in && !self.targets.congested(now) {
            // There is room again already.
            return Ok(true);
        }
        let reading = all_taken_in;
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
                self.obey(command, true);
            }
            () = timer.as_mut() => {}
        }
        if had_unsent && !serving.link.has_unsent() {
            self.outgoing.flushed();
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

    /// Checks that the broker is alive, and does what time demands.
    fn look_around(&mut self, serving: &mut Serving, now: Instant) -> Result<(), End> {
        let lost = |reason| Err(End::Lost { reason, by_broker: false });
        if let Some(reason) = serving.vitals.verdict(now) {
            return lost(reason);
        }
        if self.subscriptions.deadline().is_some_and(|deadline| deadline <= now) {
            return lost("the broker did not answer a subscription in time".to_owned());
        }
        let convicted = self.subscriptions.convict(now);
        self.refused(convicted);
        if self.failed {
            return lost("a subscription was refused".to_owned());
        }
        if self.outgoing.is_clogged() {
            return lost("the broker has not answered thousands of messages".to_owned());
        }
        if serving.vitals.ping_due(now) {
            self.outgoing.ping(&mut serving.link);
        }
        self.hand_over_own_requests(now);
        self.let_streams_go(serving, now);
        self.warn_of_a_stall(serving, now);
        self.expire(now);
        Ok(())
    }

    fn tell_of_health(&mut self, serving: &mut Serving, now: Instant) {
        if self.stop.is_some() {
            return;
        }
        let is_well = self.others_are_connected();
        if serving.healthy && !is_well {
            serving.healthy = false;
            self.set_state(ConnectionState::Connecting);
            if let Some(entry) = self.health.other_lost() {
                self.outgoing.set_health(entry);
            }
        }
        if !serving.healthy && is_well && self.subscriptions.all_granted() {
            serving.healthy = true;
            self.healthy(now);
        } else if self.subscriptions.has_refused() && !serving.told_refusal {
            serving.told_refusal = true;
            if let Some(entry) = self.health.refusal() {
                self.outgoing.set_health(entry);
            }
        }
        if let Some(entry) = self.health.said() {
            self.outgoing.set_health(entry);
        }
        if serving.healthy
            && serving.vitals.heartbeat_due(now)
            && let Some(entry) = self.health.heartbeat()
        {
            self.outgoing.set_heartbeat(entry);
        }
    }

    fn healthy(&mut self, now: Instant) {
        self.healthy_since = Some(now);
        if let Some(entry) = self.health.ready() {
            self.outgoing.set_health(entry);
        }
        self.set_state(ConnectionState::Connected);
        if let Some(started) = self.started.take() {
            // Whoever started the client may have given up waiting.
            let _ = started.send(Ok(()));
        }
    }

    /// A stream that nobody reads must not stop the acknowledgements of all handlers.
    fn let_streams_go(&mut self, serving: &mut Serving, now: Instant) {
        let Some(stalled) = self.inbox.stalled() else { return };
        if now.duration_since(stalled.came) < STREAM_PATIENCE
            || serving.let_go_of == Some(stalled.since)
        {
            return;
        }
        serving.let_go_of = Some(stalled.since);
        let Some(ticket) = stalled.ticket else { return };
        let streams = self.targets.let_go(stalled.topic, ticket);
        if let Some(filter) = streams.first()
            && let Some(suppressed) = self.unexpected.allow()
        {
            tracing::warn!(
                %filter,
                topic = &*quoted(stalled.topic),
                waiting = stalled.behind,
                suppressed,
                "a subscription is not read: its messages are acknowledged, so that they do not \
                 hold up others"
            );
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
            topic = &*quoted(stalled.topic),
            waiting = stalled.behind,
            "a message has been unacknowledged for {STALL:?} and holds up those behind it"
        );
    }

    /// Writes into the link's buffer what is due, the most urgent first.
    fn write(&mut self, serving: &mut Serving, now: Instant) {
        let link = &mut serving.link;
        let subscribing = self.subscriptions.send(link, &mut self.ids, now);
        if !subscribing.is_empty() {
            self.copies.subscribing(subscribing.iter().map(String::as_str));
        }
        while link.has_room()
            && let Some((packet, done)) = self.external.pop_front()
        {
            self.send_external(packet, link);
            // Whoever sent it may not wait for that.
            let _ = done.send(Ok(()));
        }
        self.inbox.acknowledge(link, now);
        self.outgoing.send(link, &mut self.ids, &self.outbox, now);
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
        let streams = self
            .inbox
            .stalled()
            .filter(|stalled| serving.let_go_of != Some(stalled.since))
            .map(|stalled| stalled.came + STREAM_PATIENCE);
        let others = [
            self.subscriptions.deadline(),
            self.subscriptions.settled_at(),
            self.targets.patience_ends(),
            self.outgoing.deadline(),
            self.own_requests.deadline().filter(|_| !self.quiesced),
            self.next_expiry(),
            stall,
            streams,
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
        let all_sent = self.unfinished() == 0 && !self.outgoing.status_is_pending();
        if !said_goodbye && (all_sent || now >= self.goodbye_at(deadline)) {
            if let Some(stop) = &mut self.stop {
                stop.said_goodbye = true;
            }
            if let Some(entry) = self.health.shutdown() {
                self.outgoing.set_health(entry);
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
            for filters in self.subscriptions.ephemeral() {
                if let Some(id) = self.ids.take() {
                    link.unsubscribe(id, filters);
                }
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
