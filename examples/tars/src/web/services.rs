//! How the services are, as far as can be told from here.

use serde::Serialize;

use super::text::shortened;
use crate::contracts::{HealthPing, Timestamp};

/// The services that are watched, in the order in which they are shown.
const NAMES: [&str; 10] = [
    "tars-wake",
    "tars-stt",
    "tars-router",
    "tars-llm",
    "tars-memory",
    "tars-tts",
    "tars-movement",
    "tars-camera",
    "tars-mcp",
    "tars-web",
];

/// All services that are watched.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Services(Vec<Service>);

/// How a service is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Service {
    name: &'static str,
    state: Condition,
    /// What there is to say about it.
    detail: Option<String>,
    /// When it last showed that it lives.
    seen: Option<Timestamp>,
}

/// What a service says of itself, or its broker of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    /// Nothing was heard of it.
    Unknown,
    /// It sends heartbeats, and has not said how it is.
    Alive,
    /// It is well.
    Ready,
    /// It runs, and something is wrong.
    Failing,
    /// It has shut down, or has vanished.
    Down,
}

impl Services {
    /// A service, or the broker in its stead, says how it is. What the broker had `kept` says nothing
    /// about when the service was last there.
    pub(super) fn health(&mut self, name: &str, health: HealthPing, kept: bool) -> Option<Service> {
        let service = self.named(name)?;
        let event = health.event.as_deref().unwrap_or_default();
        let vanished = !health.ok && event == "offline";
        (service.state, service.detail) = match (health.ok, event) {
            (true, "" | "ready") => (Condition::Ready, None),
            (true, _) => (Condition::Ready, health.event),
            (false, "shutdown") => (Condition::Down, Some("shut down".to_owned())),
            (false, "offline") => (Condition::Down, Some("vanished without a goodbye".to_owned())),
            (false, _) => (Condition::Failing, health.err.or(health.event)),
        };
        service.detail = service.detail.take().map(shortened);
        if !kept && !vanished {
            service.seen = Some(Timestamp::default());
        }
        Some(service.clone())
    }

    /// A service shows that it lives.
    pub(super) fn heartbeat(&mut self, name: &str) -> Option<Service> {
        let service = self.named(name)?;
        if service.state == Condition::Unknown {
            service.state = Condition::Alive;
        }
        service.seen = Some(Timestamp::default());
        Some(service.clone())
    }

    fn named(&mut self, name: &str) -> Option<&mut Service> {
        self.0.iter_mut().find(|service| service.name == name)
    }
}

impl Default for Services {
    fn default() -> Self {
        let unknown = |name| Service { name, state: Condition::Unknown, detail: None, seen: None };
        Self(NAMES.map(unknown).to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ping(ok: bool, event: Option<&str>, err: Option<&str>) -> HealthPing {
        let text = |text: Option<&str>| text.map(str::to_owned);
        HealthPing { ok, event: text(event), err: text(err), ..HealthPing::default() }
    }

    fn after(ok: bool, event: Option<&str>, err: Option<&str>) -> (Condition, Option<String>) {
        let mut services = Services::default();
        let service = services.health("tars-llm", ping(ok, event, err), false).unwrap();
        (service.state, service.detail)
    }

    #[test]
    fn what_a_service_says_of_itself_is_one_of_a_few_conditions() {
        assert_eq!(after(true, Some("ready"), None), (Condition::Ready, None));
        assert_eq!(after(true, None, None), (Condition::Ready, None));
        assert_eq!(after(true, Some("recovered"), None).1.unwrap(), "recovered");
        assert_eq!(after(false, None, Some("disk full")).0, Condition::Failing);
        assert_eq!(after(false, Some("x"), Some("disk full")).1.unwrap(), "disk full");
        assert_eq!(after(false, Some("shutdown"), None).0, Condition::Down);
        assert_eq!(after(false, Some("offline"), None).0, Condition::Down);
    }

    #[test]
    fn a_heartbeat_shows_that_a_service_lives_and_not_how_it_is() {
        let mut services = Services::default();
        assert_eq!(services.heartbeat("tars-tts").unwrap().state, Condition::Alive);
        services.health("tars-tts", ping(false, None, Some("no voice")), false);
        assert_eq!(services.heartbeat("tars-tts").unwrap().state, Condition::Failing);
    }

    #[test]
    fn neither_a_kept_report_nor_a_last_will_is_a_sign_of_life() {
        let mut services = Services::default();
        assert_eq!(services.health("tars-stt", ping(true, None, None), true).unwrap().seen, None);
        let will = ping(false, Some("offline"), None);
        assert_eq!(services.health("tars-stt", will, false).unwrap().seen, None);
        assert!(services.health("tars-stt", ping(true, None, None), false).unwrap().seen.is_some());
    }

    #[test]
    fn services_of_other_names_are_passed_over() {
        let mut services = Services::default();
        assert_eq!(services.health("router", ping(true, None, None), false), None);
        assert_eq!(services.heartbeat("toaster"), None);
    }
}
