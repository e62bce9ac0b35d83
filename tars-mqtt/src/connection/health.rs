use std::sync::Arc;

use crate::config::Config;
use crate::delivery::Entry;
use crate::event::{HealthStatus, Heartbeat, encode, fresh_id, now};
use crate::transport::{LastWill, Publish};
use crate::{Event as _, QoS};

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

/// Writes the health and the heartbeats of this client.
#[derive(Debug)]
pub(super) struct Health {
    config: Arc<Config>,
    /// What the service said last, if that was not all well.
    trouble: Option<HealthReport>,
    was_ready: bool,
}

impl Health {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self { config, trouble: None, was_ready: false }
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
        self.was_ready = true;
        let report = self.trouble.clone().unwrap_or_else(|| HealthReport::event(true, event));
        self.entry(&report)
    }

    /// The service speaks.
    pub(super) fn said(&mut self, report: HealthReport) -> Option<Entry> {
        let entry = self.entry(&report);
        self.trouble = (!report.ok).then_some(report);
        entry
    }

    /// Something is wrong that the connection found.
    pub(super) fn failing(&self, err: String) -> Option<Entry> {
        self.entry(&HealthReport { ok: false, event: None, err: Some(err) })
    }

    pub(super) fn shutdown(&self) -> Option<Entry> {
        self.entry(&HealthReport::event(false, "shutdown"))
    }

    fn entry(&self, report: &HealthReport) -> Option<Entry> {
        let (topic, payload) = self.written(report)?;
        Some(Entry::new(Publish::new(topic, payload, QoS::AtLeastOnce, true)))
    }

    fn written(&self, report: &HealthReport) -> Option<(String, bytes::Bytes)> {
        if !self.config.health_enabled() {
            return None;
        }
        let status = HealthStatus {
            message_id: fresh_id(),
            ok: report.ok,
            event: report.event.clone(),
            err: report.err.clone(),
            timestamp: now(),
        };
        let payload = encode(&status, &fresh_id(), self.config.source_name());
        let payload = payload
            .inspect_err(|error| tracing::error!("health cannot be published: {error}"))
            .ok()?;
        Some((format!("system/health/{}", self.config.client_id()), payload))
    }

    pub(super) fn heartbeat(&self) -> Option<Entry> {
        let beat = Heartbeat { ok: true, event: "heartbeat", timestamp: now() };
        let payload = encode(&beat, "", self.config.source_name()).ok()?;
        let topic = format!("system/keepalive/{}", self.config.client_id());
        Some(Entry::new(Publish::new(topic, payload, Heartbeat::QOS, false)))
    }
}
