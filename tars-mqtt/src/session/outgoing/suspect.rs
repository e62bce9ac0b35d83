use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::InFlight;
use crate::delivery::Entry;
use crate::qos::QoS;

/// Of the closed connections that condemn a message, those on which it was sent alone.
const TRIALS: u32 = 2;

/// A connection that has lasted this long is one on which a suspect can be tried.
const SETTLED: Duration = Duration::from_secs(2);

/// How long others wait for the outcome.
const TRIAL: Duration = Duration::from_secs(10);

/// How long nothing is said of the service where the broker closes the connection for it.
const MUTED: Duration = Duration::from_secs(600);

/// Messages that the broker may be closing connections for: the only answer that MQTT 3.1.1 has to
/// a message that a broker does not take.
///
/// One that was the first to be acknowledged when the broker closed connection after connection is
/// set aside, so that others go out. Once a connection holds without it, it is sent alone. If the
/// broker closes that connection too, and one more, it is given up.
#[derive(Debug)]
pub(super) struct Suspects {
    /// Closed connections after which a message is given up; 0 for never.
    limit: u32,
    aside: VecDeque<InFlight>,
    /// The one that is being tried, since when.
    trial: Option<(u16, Instant)>,
    trials: u32,
    /// The next one is due, and there is no room for it.
    waits_for_room: bool,
    connected_at: Option<Instant>,
    /// Connections closed while the broker had to acknowledge what is said of the service.
    status_closes: u32,
    /// What is said of the service is sent with nothing behind it, to see whether the broker takes it.
    status_goes_alone: bool,
    muted_until: Option<Instant>,
}

impl Suspects {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            aside: VecDeque::new(),
            trial: None,
            trials: 0,
            waits_for_room: false,
            connected_at: None,
            status_closes: 0,
            status_goes_alone: false,
            muted_until: None,
        }
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.connected_at = Some(now);
    }

    /// Whether one is to be tried now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.trial_at().is_some_and(|at| at <= now)
    }

    fn trial_at(&self) -> Option<Instant> {
        if self.aside.is_empty() || self.trial.is_some() {
            return None;
        }
        self.connected_at.map(|at| at + SETTLED)
    }

    /// Whether others wait for the outcome of a trial.
    pub(super) fn is_trial_on(&self) -> bool {
        self.trial.is_some()
    }

    /// Lets others go out too, where the broker says nothing for too long.
    pub(super) fn end_trial(&mut self, now: Instant) {
        if self.trial.is_some_and(|(_, since)| now.duration_since(since) >= TRIAL) {
            self.trial = None;
        }
    }

    pub(super) fn begin_trial(&mut self, now: Instant) -> Option<InFlight> {
        let suspect = self.aside.pop_front()?;
        self.trial = Some((suspect.id, now));
        Some(suspect)
    }

    /// When something is due here.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let trial_at = || self.trial_at().filter(|_| !self.waits_for_room);
        self.trial.map(|(_, since)| since + TRIAL).or_else(trial_at)
    }

    /// Looks anew whether there is room.
    pub(super) fn look_again(&mut self) {
        self.waits_for_room = false;
    }

    /// There is no room for the one that is due. It is looked for again when something has been
    /// acknowledged.
    pub(super) fn wait_for_room(&mut self) {
        self.waits_for_room = true;
    }

    pub(super) fn acknowledged(&mut self, id: u16) {
        if self.trial.is_some_and(|(tried, _)| tried == id) {
            self.trial = None;
            self.trials = 0;
        }
    }

    pub(super) fn unmute_status(&mut self) {
        self.muted_until = None;
    }

    /// Whether nothing is said of the service, because the broker closes the connection for it.
    pub(super) fn is_status_muted(&self, now: Instant) -> bool {
        self.muted_until.is_some_and(|until| now < until)
    }

    /// The broker has taken what is said of the service.
    pub(super) fn status_acknowledged(&mut self) {
        (self.status_closes, self.status_goes_alone) = (0, false);
    }

    /// Others go out behind it, although the broker has not taken it.
    pub(super) fn status_had_its_time(&mut self) {
        self.status_goes_alone = false;
    }

    /// Until when others wait for what is said of the service and was sent then, if they do.
    pub(super) fn status_alone_until(&self, sent_at: Instant) -> Option<Instant> {
        self.status_goes_alone.then(|| sent_at + TRIAL)
    }

    /// Looks for the message that the broker closed the connection for. Returns one that is
    /// condemned.
    pub(super) fn connection_lost(
        &mut self,
        in_flight: &mut VecDeque<InFlight>,
        sent: usize,
        closed_at_once: bool,
        now: Instant,
    ) -> Option<InFlight> {
        self.connected_at = None;
        let trial = self.trial.take();
        if self.limit == 0 || !closed_at_once || sent == 0 {
            return None;
        }
        // One that the broker has received, and is to let go, is not what it does not take.
        let is_unanswered =
            |sent: &InFlight| sent.entry.is_some() && !sent.ignored && !sent.released;
        let unanswered = in_flight.iter().position(is_unanswered)?;
        let first = in_flight.get(unanswered).filter(|_| unanswered < sent)?;
        if first.is_status {
            let mut behind = in_flight.iter().take(sent).skip(unanswered + 1);
            if behind.any(is_unanswered) {
                // It may have been one of those.
                self.status_goes_alone = true;
            } else {
                self.status_closed(now);
            }
            return None;
        }
        let first = in_flight.get_mut(unanswered)?;
        let entry = first.entry.as_mut()?;
        entry.closes += 1;
        if let Some((id, _)) = trial {
            if id != first.id {
                return None;
            }
            self.trials += 1;
            let tried = in_flight.remove(unanswered)?;
            if self.trials >= TRIALS.min(self.limit) {
                self.trials = 0;
                return Some(tried);
            }
            self.aside.push_front(tried);
        } else if entry.closes + TRIALS >= self.limit {
            self.aside.extend(in_flight.remove(unanswered));
        }
        None
    }

    fn status_closed(&mut self, now: Instant) {
        self.status_closes += 1;
        if self.status_closes + TRIALS >= self.limit {
            self.status_closes = 0;
            self.muted_until = Some(now + MUTED);
            tracing::error!(
                muted_for = ?MUTED,
                "the broker closes the connection instead of taking the health of this service; \
                 it is not published for a while: let this client publish on `system/health/#`, or \
                 turn it off with MQTT_ENABLE_HEALTH"
            );
        }
    }

    /// The message that is suspected most.
    pub(super) fn entry(&self) -> Option<&Entry> {
        self.aside.front()?.entry.as_ref()
    }

    /// Those that are set aside.
    pub(super) fn all(&self) -> impl Iterator<Item = &InFlight> {
        self.aside.iter()
    }

    /// How many of them are at QoS 2.
    pub(super) fn at_qos_2(&self) -> usize {
        self.aside.iter().filter(|sent| sent.qos == QoS::ExactlyOnce).count()
    }

    pub(super) fn len(&self) -> usize {
        self.aside.len()
    }

    /// Those that have waited too long.
    pub(super) fn expire(&mut self, now: Instant) -> VecDeque<InFlight> {
        let is_late = |sent: &InFlight| sent.entry.as_ref().is_some_and(|entry| entry.is_late(now));
        let (late, waiting): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.aside).into_iter().partition(is_late);
        self.aside = waiting;
        late
    }

    pub(super) fn take(&mut self) -> impl Iterator<Item = Entry> {
        std::mem::take(&mut self.aside).into_iter().filter_map(|sent| sent.entry)
    }
}
