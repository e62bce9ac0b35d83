use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;

use crate::config::Config;
use crate::delivery::Entry;
use crate::event::{Event as _, HealthStatus, Heartbeat, encode, fresh_id, now};
use crate::qos::QoS;
use crate::sync::{AtomicBool, Mutex, MutexGuard};
use crate::text::cut;
use crate::wire::{LastWill, Publish};

/// Bytes that a text of a report has at the most, from attempt to attempt until the packet keeps within
/// its limit. An error may quote whatever somebody else has sent, and a broker that is sent too much
/// closes the connection.
const LONGEST: [usize; 4] = [4096, 512, 64, 0];

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HealthReport {
    pub(crate) ok: bool,
    pub(crate) event: Option<String>,
    pub(crate) err: Option<String>,
}

impl HealthReport {
    fn event(ok: bool, event: &str) -> Self {
        Self { ok, event: Some(event.to_owned()), err: None }
    }
}

/// What a service says of itself, on its way to the connection: the newest only, however often it
/// speaks.
#[derive(Debug, Default)]
pub(crate) struct HealthSlot {
    is_set: AtomicBool,
    latest: Mutex<Option<HealthReport>>,
}

impl HealthSlot {
    pub(crate) fn set(&self, report: HealthReport) {
        *self.latest() = Some(report);
        self.is_set.store(true, Ordering::Release);
    }

    fn take(&self) -> Option<HealthReport> {
        // Asked with every round of the connection, and hardly ever set.
        if !self.is_set.load(Ordering::Acquire) {
            return None;
        }
        self.is_set.store(false, Ordering::Release);
        self.latest().take()
    }

    fn latest(&self) -> MutexGuard<'_, Option<HealthReport>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes the health and the heartbeats of this client.
#[derive(Debug)]
pub(super) struct Health {
    config: Arc<Config>,
    slot: Arc<HealthSlot>,
    /// What the service said last, and whether that has been published.
    said: Option<(HealthReport, bool)>,
    /// Subscriptions that the broker has refused: whatever the service says, it is not well.
    refusal: Option<String>,
    /// Every subscription is acknowledged on this connection.
    is_ready: bool,
    was_ready: bool,
}

impl Health {
    pub(super) fn new(config: Arc<Config>, slot: Arc<HealthSlot>) -> Self {
        Self { config, slot, said: None, refusal: None, is_ready: false, was_ready: false }
    }

    /// What the broker publishes when this client vanishes.
    pub(super) fn last_will(&self) -> Option<LastWill> {
        let (topic, payload) = self.written(&HealthReport::event(false, "offline"))?;
        Some(LastWill { topic, payload })
    }

    /// The connection is up and every subscription acknowledged. Trouble that the service had
    /// before has not gone away with the outage.
    pub(super) fn ready(&mut self) -> Option<Entry> {
        let event = if self.was_ready { "reconnected" } else { "ready" };
        (self.is_ready, self.was_ready) = (true, true);
        self.refusal = None;
        self.listen();
        match &mut self.said {
            Some((report, is_published)) if !report.ok || !*is_published => {
                *is_published = true;
                let report = report.clone();
                self.entry(&report)
            }
            _ => self.entry(&HealthReport::event(true, event)),
        }
    }

    fn listen(&mut self) -> bool {
        let report = self.slot.take();
        let spoke = report.is_some();
        self.said = report.map(|report| (report, false)).or(self.said.take());
        spoke
    }

    /// What the service has said since the last time, if it may be published yet.
    pub(super) fn said(&mut self) -> Option<Entry> {
        if !self.listen() || !(self.is_ready || self.refusal.is_some()) {
            return None;
        }
        let (report, is_published) = self.said.as_mut()?;
        *is_published = true;
        let mut report = report.clone();
        if let Some(refusal) = self.refusal.as_ref().filter(|_| report.ok) {
            report = HealthReport { ok: false, err: Some(refusal.clone()), ..report };
        }
        self.entry(&report)
    }

    /// The broker has refused subscriptions.
    pub(super) fn refused(&mut self, err: String) {
        self.refusal = Some(err);
        self.is_ready = false;
    }

    /// That the service is not well, because subscriptions are refused, if they are.
    pub(super) fn refusal(&self) -> Option<Entry> {
        let err = self.refusal.clone()?;
        self.entry(&HealthReport { ok: false, event: None, err: Some(err) })
    }

    /// Another connection of the service is lost.
    pub(super) fn other_lost(&mut self) -> Option<Entry> {
        self.is_ready = false;
        let err = "the connection of an isolated handler is lost".to_owned();
        self.entry(&HealthReport { ok: false, event: None, err: Some(err) })
    }

    pub(super) fn connection_lost(&mut self) {
        self.is_ready = false;
    }

    pub(super) fn shutdown(&self) -> Option<Entry> {
        self.entry(&HealthReport::event(false, "shutdown"))
    }

    fn entry(&self, report: &HealthReport) -> Option<Entry> {
        let (topic, payload) = self.written(report)?;
        Some(Entry::new(Publish::new(topic, payload, QoS::AtLeastOnce, true)))
    }

    fn written(&self, report: &HealthReport) -> Option<(String, Bytes)> {
        if !self.config.health_enabled() {
            return None;
        }
        let topic = format!("system/health/{}", self.config.client_id());
        let limit = self.config.packet_limit();
        let mut smallest = None;
        for longest in LONGEST {
            let payload = self.encoded(report, longest)?;
            let publish = Publish::new(topic.clone(), payload.clone(), QoS::AtLeastOnce, true);
            let fits = publish.check_size(limit).is_ok();
            smallest = Some(payload);
            if fits {
                break;
            }
        }
        smallest.map(|payload| (topic, payload))
    }

    /// A report with texts of so many bytes at the most.
    fn encoded(&self, report: &HealthReport, longest: usize) -> Option<Bytes> {
        let short = |text: &String| match cut(text, longest) {
            whole if whole.len() == text.len() => text.clone(),
            part => format!("{part}…"),
        };
        let status = HealthStatus {
            message_id: fresh_id(),
            ok: report.ok,
            event: report.event.as_ref().map(short),
            err: report.err.as_ref().map(short),
            timestamp: now(),
        };
        encode(&status, &fresh_id(), self.config.source_name())
            .inspect_err(|error| tracing::error!("health cannot be published: {error}"))
            .ok()
    }

    pub(super) fn heartbeat(&self) -> Option<Entry> {
        let beat = Heartbeat { ok: true, event: "heartbeat", timestamp: now() };
        let payload = encode(&beat, "", self.config.source_name()).ok()?;
        let topic = format!("system/keepalive/{}", self.config.client_id());
        Some(Entry::new(Publish::new(topic, payload, Heartbeat::QOS, false)))
    }
}

#[cfg(all(test, tars_mqtt_loom))]
mod models;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Head;

    fn health() -> (Health, Arc<HealthSlot>) {
        let config = Config::new("mqtt://localhost", "it").unwrap().health(true);
        let slot = Arc::<HealthSlot>::default();
        (Health::new(Arc::new(config), slot.clone()), slot)
    }

    fn ok(event: &str) -> HealthReport {
        HealthReport::event(true, event)
    }

    fn failing(err: &str) -> HealthReport {
        HealthReport { ok: false, event: None, err: Some(err.to_owned()) }
    }

    /// What a message says: whether all is well, and what it says of that.
    fn said(entry: Option<Entry>) -> Option<(bool, String)> {
        let payload = entry?.publish.payload().to_vec();
        let status: HealthStatus = Head::find(&payload).unwrap().read(&payload).unwrap();
        Some((status.ok, status.event.or(status.err).unwrap_or_default()))
    }

    fn text(ok: bool, text: &str) -> (bool, String) {
        (ok, text.to_owned())
    }

    #[test]
    fn nothing_is_said_before_all_is_granted_and_then_the_newest() {
        let (mut health, slot) = health();
        for index in 0..1_000 {
            slot.set(ok(&index.to_string()));
            assert_eq!(said(health.said()), None);
        }
        assert_eq!(said(health.ready()), Some(text(true, "999")));
        assert_eq!(said(health.said()), None);
        slot.set(ok("more"));
        assert_eq!(said(health.said()), Some(text(true, "more")));
    }

    #[test]
    fn what_was_published_is_not_repeated_unless_it_is_trouble() {
        let (mut health, slot) = health();
        assert_eq!(said(health.ready()), Some(text(true, "ready")));
        slot.set(ok("fine"));
        assert_eq!(said(health.said()), Some(text(true, "fine")));
        health.connection_lost();
        assert_eq!(said(health.ready()), Some(text(true, "reconnected")));
        slot.set(failing("no database"));
        assert_eq!(said(health.said()), Some(text(false, "no database")));
        health.connection_lost();
        assert_eq!(said(health.ready()), Some(text(false, "no database")));
    }

    #[test]
    fn while_a_subscription_is_refused_nothing_is_called_well() {
        let (mut health, slot) = health();
        health.ready();
        health.connection_lost();
        health.refused("refused".to_owned());
        assert_eq!(said(health.refusal()), Some(text(false, "refused")));
        slot.set(ok("database is back"));
        let entry = health.said();
        let payload = entry.as_ref().map(|entry| entry.publish.payload().to_vec()).unwrap();
        assert!(String::from_utf8_lossy(&payload).contains("database is back"));
        assert!(said(entry).is_some_and(|(ok, _)| !ok));
        health.connection_lost();
        assert_eq!(said(health.ready()), Some(text(true, "reconnected")));
    }

    #[test]
    fn however_much_is_said_the_packet_keeps_within_its_limit() {
        for limit in [1024, 64 * 1024, 1 << 20] {
            let config = Config::new("mqtt://localhost", "it").unwrap().health(true);
            let config = Arc::new(config.max_packet_size(limit));
            let health = Health::new(config, Arc::default());
            for text in ["x".repeat(2 << 20), "\u{1}".repeat(5_000), "ü\"".repeat(1_000)] {
                for report in [failing(&text), ok(&text)] {
                    let publish = health.entry(&report).unwrap().publish;
                    assert!(publish.check_size(limit).is_ok(), "{} of {limit}", publish.size());
                }
            }
            let short = said(health.entry(&failing("no database")));
            assert_eq!(short, Some(text(false, "no database")));
        }
    }

    #[test]
    fn a_client_that_says_nothing_of_itself_has_no_last_will_either() {
        let config = Config::new("mqtt://localhost", "it").unwrap().health(false);
        let slot = Arc::<HealthSlot>::default();
        let mut health = Health::new(Arc::new(config), slot.clone());
        slot.set(ok("fine"));
        assert!(health.last_will().is_none() && health.ready().is_none());
        assert!(health.said().is_none() && health.shutdown().is_none());
        assert!(health.heartbeat().is_some(), "that is another setting");
    }

    #[test]
    fn the_last_will_and_the_goodbye_tell_that_the_service_is_not_well() {
        let (mut health, slot) = health();
        let LastWill { topic, payload } = health.last_will().unwrap();
        assert_eq!(topic, "system/health/it");
        let publish = Publish::new(topic, payload, QoS::AtLeastOnce, true);
        assert_eq!(said(Some(Entry::new(publish))), Some(text(false, "offline")));
        slot.set(ok("fine"));
        health.ready();
        let goodbye = health.shutdown().unwrap();
        assert_eq!(goodbye.publish.qos(), QoS::AtLeastOnce);
        assert_eq!(said(Some(goodbye)), Some(text(false, "shutdown")));
    }

    #[test]
    fn what_is_said_during_an_outage_waits_for_its_end_and_is_said_once() {
        let (mut health, slot) = health();
        health.ready();
        health.connection_lost();
        slot.set(ok("still here"));
        assert_eq!(said(health.said()), None);
        assert_eq!(said(health.ready()), Some(text(true, "still here")));
        health.connection_lost();
        assert_eq!(said(health.ready()), Some(text(true, "reconnected")));
    }

    #[test]
    fn while_another_connection_is_lost_nothing_else_is_said() {
        let (mut health, slot) = health();
        assert_eq!(said(health.refusal()), None);
        health.ready();
        let lost = said(health.other_lost()).unwrap();
        assert!(!lost.0 && lost.1.contains("isolated"), "{lost:?}");
        slot.set(ok("fine"));
        assert_eq!(said(health.said()), None);
        assert_eq!(said(health.ready()), Some(text(true, "fine")));
    }

    #[test]
    fn trouble_is_taken_back_only_by_the_service_itself() {
        let (mut health, slot) = health();
        slot.set(failing("no database"));
        for _ in 0..3 {
            assert_eq!(said(health.ready()), Some(text(false, "no database")));
            health.connection_lost();
        }
        slot.set(ok("database is back"));
        assert_eq!(said(health.ready()), Some(text(true, "database is back")));
        health.connection_lost();
        assert_eq!(said(health.ready()), Some(text(true, "reconnected")));
    }
}
