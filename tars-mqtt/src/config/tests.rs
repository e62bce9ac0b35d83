use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Config, ConfigError, Origin};
use crate::error::Error;

/// A file that is gone when the test is over.
pub(super) struct Scratch(String);

impl Scratch {
    pub(super) fn new(content: &[u8]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tars-mqtt-config-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name).display().to_string();
        std::fs::write(&path, content).expect("the temporary directory is writable");
        Self(path)
    }

    pub(super) fn path(&self) -> &str {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn config() -> Config {
    Config::new("mqtt://user:hunter2@host", "svc").expect("a valid configuration")
}

fn refused(config: &Config) -> ConfigError {
    config.validate().expect_err("a problem")
}

#[test]
fn a_new_configuration_has_the_built_in_defaults() {
    let config = Config::new("mqtt://host", "svc").expect("a valid configuration");
    assert_eq!(config.url().host(), "host");
    assert_eq!((config.client_id(), config.source_name()), ("svc", "svc"));
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(60));
    assert!(!config.health_enabled() && !config.is_clean_session());
    assert_eq!((config.heartbeat_interval(), config.dedupe_window()), (None, None));
    let delays = (Duration::from_millis(500), Duration::from_secs(5));
    assert_eq!(config.reconnect_delays(), delays);
    assert_eq!(
        (config.login(), config.tls_ca_path(), config.tls_client_paths()),
        (None, None, None)
    );
    assert_eq!(config.packet_limit(), 1_048_576);
    assert_eq!((config.shutdown_limit(), config.publish_limit()), (delays.1, None));
    assert!(!config.wants_embedded_broker() && config.warnings().is_empty());
}

#[test]
fn setters_set_what_they_say() {
    let second = Duration::from_secs(1);
    let config = config()
        .source("worker")
        .keep_alive(30 * second)
        .health(true)
        .heartbeat(Some(2 * second))
        .dedupe(3 * second, 4)
        .reconnect_delay(second, 9 * second)
        .clean_session(true)
        .credentials("me", "word")
        .max_packet_size(2048)
        .shutdown_timeout(7 * second)
        .publish_timeout(Some(8 * second));
    assert_eq!(config.validate(), Ok(()));
    assert_eq!((config.client_id(), config.source_name()), ("svc", "worker"));
    assert_eq!(config.keep_alive_interval(), 30 * second);
    assert!(config.health_enabled() && config.is_clean_session());
    assert_eq!(config.heartbeat_interval(), Some(2 * second));
    assert_eq!(config.dedupe_window(), Some((3 * second, 4)));
    assert_eq!(config.reconnect_delays(), (second, 9 * second));
    assert_eq!(config.login(), Some(("me", Some("word"))));
    assert_eq!(config.packet_limit(), 2048);
    assert_eq!((config.shutdown_limit(), config.publish_limit()), (7 * second, Some(8 * second)));
    assert_eq!(config.heartbeat(None).heartbeat_interval(), None);
}

#[test]
fn the_tls_setters_keep_the_paths() {
    let config = config().tls_ca_file("/ca").tls_client_certificate("/cert", "/key");
    assert_eq!(config.tls_ca_path(), Some("/ca".as_ref()));
    assert_eq!(config.tls_client_paths(), Some(("/cert".as_ref(), "/key".as_ref())));
    assert_eq!(refused(&config).problems().len(), 3);
}

#[test]
fn what_setters_break_is_found_all_at_once() {
    let config = config()
        .source("")
        .keep_alive(Duration::from_millis(1500))
        .heartbeat(Some(Duration::from_millis(999)))
        .dedupe(Duration::from_secs(1), 0)
        .reconnect_delay(Duration::from_secs(6), Duration::from_secs(5))
        .credentials("", "hunter2")
        .max_packet_size(1023)
        .publish_timeout(Some(Duration::ZERO));
    let error = refused(&config);
    let lines = error.to_string();
    let names: Vec<&str> = error.problems().iter().map(super::Problem::variable).collect();
    let expected = [
        "MQTT_SOURCE_NAME",
        "MQTT_KEEPALIVE",
        "MQTT_HEARTBEAT_INTERVAL",
        "MQTT_MAX_PACKET_SIZE",
        "MQTT_PUBLISH_TIMEOUT",
        "MQTT_DEDUPE_MAX_ENTRIES",
        "MQTT_RECONNECT_MAX_DELAY",
        "credentials",
    ];
    assert_eq!(names, expected, "{lines}");
    assert!(lines.contains("MQTT_KEEPALIVE = \"1.5\" (set by the program): must be whole seconds"));
    assert!(!lines.contains("hunter2"));
}

#[test]
fn a_contradicted_default_is_named_as_one() {
    let min = Duration::from_secs(6);
    let error = refused(&config().reconnect_delay(min, Duration::from_secs(5)));
    assert_eq!(error.problems()[0].origin(), &Origin::Default);
}

#[test]
fn endless_durations_are_accepted_and_can_be_added_to_now() {
    let max = Duration::MAX;
    let config = config().dedupe(max, 1).reconnect_delay(max, max).shutdown_timeout(max);
    assert_eq!(config.validate(), Ok(()));
    assert!(std::time::Instant::now().checked_add(2 * config.reconnect_delays().1).is_some());
}

#[test]
fn new_reports_url_and_client_id_together() {
    let error = Config::new("mqtt://u:hunter2@ho st", "a/b").expect_err("two problems");
    let Error::Config(problems) = &error else { panic!("{error}") };
    assert_eq!(problems.problems().len(), 2);
    assert!(error.to_string().contains("MQTT_URL = \"mqtt://***@ho st\" (set by the program)"));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[test]
fn neither_debug_nor_display_show_a_password() {
    let by_setter = config().credentials("me", "hunter2");
    for config in [config(), by_setter] {
        assert_eq!(config.to_string(), "svc at mqtt://***@host:1883");
        let debug = format!("{config:?}");
        assert!(debug.contains("***") && !debug.contains("hunter2"), "{debug}");
        assert!(!debug.contains("\"me\""), "{debug}");
    }
}

#[test]
fn credentials_replace_those_of_the_url() {
    assert_eq!(config().login(), Some(("user", Some("hunter2"))));
    assert_eq!(config().credentials("me", "").login(), Some(("me", Some(""))));
    let too_long = "x".repeat(65536);
    for config in [config().credentials(&*too_long, ""), config().credentials("me", &*too_long)] {
        assert_eq!(refused(&config).problems()[0].variable(), "credentials");
    }
    assert_eq!(refused(&config().credentials("a\0", "")).problems().len(), 1);
}

#[test]
fn with_health_or_heartbeat_the_client_id_leaves_room_for_the_topic() {
    let with_id = |len| Config::new("mqtt://host", "x".repeat(len)).expect("a valid configuration");
    assert_eq!(with_id(65535).validate(), Ok(()));
    assert_eq!(with_id(65521).health(true).validate(), Ok(()));
    assert!(with_id(65522).health(true).validate().is_err());
    let second = Some(Duration::from_secs(1));
    assert_eq!(with_id(65518).heartbeat(second).validate(), Ok(()));
    assert!(with_id(65519).heartbeat(second).validate().is_err());
}
