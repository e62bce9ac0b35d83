use std::path::Path;
use std::time::Duration;

use super::read::{Refusal, boolean, seconds, seconds_or_none, whole};
use super::url::BrokerUrl;
use super::{Config, DedupeKey, flow, names, paths};

/// One row of the settings table.
pub(super) struct Setting {
    /// The environment variable.
    pub(super) name: &'static str,
    /// What a value must be, for messages.
    pub(super) rule: &'static str,
    /// Takes a value; whether it is in range is for `check`.
    pub(super) read: fn(&mut Config, &str) -> Result<(), Refusal>,
    /// The value that is set, without passwords.
    pub(super) show: fn(&Config) -> String,
    /// Whether the value that is set keeps the rule.
    pub(super) check: fn(&Config) -> Result<(), Refusal>,
}

impl Setting {
    /// The key in the file's `[mqtt]` table.
    #[cfg(feature = "config-file")]
    pub(super) fn key(&self) -> String {
        self.name.strip_prefix(PREFIX).unwrap_or(self.name).to_ascii_lowercase()
    }
}

pub(super) const PREFIX: &str = "MQTT_";
pub(super) const URL: &str = "MQTT_URL";
pub(super) const JOIN_LOCAL_BROKER: &str = "MQTT_JOIN_LOCAL_BROKER";
pub(super) const CLIENT_ID: &str = "MQTT_CLIENT_ID";
pub(super) const SOURCE_NAME: &str = "MQTT_SOURCE_NAME";
pub(super) const DEDUPE_TTL: &str = "MQTT_DEDUPE_TTL";
pub(super) const DEDUPE_MAX_ENTRIES: &str = "MQTT_DEDUPE_MAX_ENTRIES";
pub(super) const RECONNECT_MIN_DELAY: &str = "MQTT_RECONNECT_MIN_DELAY";
pub(super) const RECONNECT_MAX_DELAY: &str = "MQTT_RECONNECT_MAX_DELAY";
pub(super) const PASSWORD_FILE: &str = "MQTT_PASSWORD_FILE";
pub(super) const TLS_CA_FILE: &str = "MQTT_TLS_CA_FILE";
pub(super) const TLS_CERT_FILE: &str = "MQTT_TLS_CERT_FILE";
pub(super) const TLS_KEY_FILE: &str = "MQTT_TLS_KEY_FILE";

pub(super) const BOOLEAN: &str = "must be true, false, 1, 0, yes, no, on or off";
const PEM: &str = "must be the path of a readable PEM file";

/// MQTT 3.1.1 section 2.2.3 for the upper bound; below the lower one CONNECT with its will, or a
/// health report, may not fit.
const PACKET_BYTES: std::ops::RangeInclusive<usize> = 1024..=268_435_455;

/// Every setting, in the order in which problems are reported.
pub(super) static SETTINGS: [Setting; 25] = [
    Setting {
        name: URL,
        rule: "must be mqtt://[user[:password]@]host[:port] (or mqtts://, ws://, wss://)",
        read: |c, text| {
            c.url = BrokerUrl::parse(text).map_err(Refusal::Because)?;
            Ok(())
        },
        show: |c| c.url.to_string(),
        check: features,
    },
    Setting {
        name: JOIN_LOCAL_BROKER,
        rule: BOOLEAN,
        read: |c, text| set(&mut c.local.join_any, boolean(text)),
        show: |c| c.local.join_any.to_string(),
        check: |_| Ok(()),
    },
    Setting {
        name: CLIENT_ID,
        rule: "must be 1 to 65535 bytes without `/`, `+`, `#` and NUL",
        read: |c, text| {
            text.clone_into(&mut c.client_id);
            Ok(())
        },
        show: |c| c.client_id.clone(),
        check: |c| {
            let id = &c.client_id;
            keeps((1..=65535).contains(&id.len()) && !id.contains(['/', '+', '#', '\0']))?;
            without_fault(id)
        },
    },
    Setting {
        name: SOURCE_NAME,
        rule: "must not be empty; without it the source is the client id",
        read: |c, text| {
            c.source = Some(text.to_owned());
            Ok(())
        },
        show: |c| c.source.clone().unwrap_or_default(),
        check: |c| {
            let Some(name) = &c.source else { return Ok(()) };
            keeps(!name.is_empty())?;
            without_fault(name)
        },
    },
    Setting {
        name: "MQTT_KEEPALIVE",
        rule: "must be whole seconds from 1 to 3600",
        read: |c, text| set(&mut c.keep_alive, whole(text).map(Duration::from_secs)),
        show: |c| c.keep_alive.as_secs_f64().to_string(),
        check: |c| {
            let whole = c.keep_alive.subsec_nanos() == 0;
            keeps(whole && (1..=3600).contains(&c.keep_alive.as_secs()))
        },
    },
    Setting {
        name: "MQTT_ENABLE_HEALTH",
        rule: BOOLEAN,
        read: |c, text| set(&mut c.health, boolean(text)),
        show: |c| c.health.to_string(),
        check: |_| Ok(()),
    },
    Setting {
        name: "MQTT_ENABLE_HEARTBEAT",
        rule: BOOLEAN,
        read: |c, text| set(&mut c.heartbeat.enabled, boolean(text)),
        show: |c| c.heartbeat.enabled.to_string(),
        check: |_| Ok(()),
    },
    Setting {
        name: "MQTT_HEARTBEAT_INTERVAL",
        rule: "must be seconds, at least 1",
        read: |c, text| set(&mut c.heartbeat.interval, seconds(text)),
        show: |c| c.heartbeat.interval.as_secs_f64().to_string(),
        check: |c| keeps(c.heartbeat.interval >= Duration::from_secs(1)),
    },
    Setting {
        name: DEDUPE_TTL,
        rule: "must be seconds, at least 0 (which recognises no duplicates)",
        read: |c, text| set(&mut c.dedupe.ttl, seconds(text)),
        show: |c| c.dedupe.ttl.as_secs_f64().to_string(),
        check: |_| Ok(()),
    },
    Setting {
        name: DEDUPE_MAX_ENTRIES,
        rule: "must be a whole number, and more than 0 when MQTT_DEDUPE_TTL is",
        read: |c, text| set(&mut c.dedupe.max_entries, whole(text)),
        show: |c| c.dedupe.max_entries.to_string(),
        check: |_| Ok(()),
    },
    Setting {
        name: "MQTT_DEDUPE_KEY",
        rule: "must be full or tars",
        read: |c, text| set(&mut c.dedupe.key, DedupeKey::parse(text).ok_or(Refusal::Rule)),
        show: |c| c.dedupe.key.name().to_owned(),
        check: |_| Ok(()),
    },
    Setting {
        name: RECONNECT_MIN_DELAY,
        rule: "must be seconds, at least 0.1",
        read: |c, text| set(&mut c.reconnect_min, seconds(text)),
        show: |c| c.reconnect_min.as_secs_f64().to_string(),
        check: |c| keeps(c.reconnect_min >= Duration::from_millis(100)),
    },
    Setting {
        name: RECONNECT_MAX_DELAY,
        rule: "must be seconds, at least 0.5 and at least MQTT_RECONNECT_MIN_DELAY",
        read: |c, text| set(&mut c.reconnect_max, seconds(text)),
        show: |c| c.reconnect_max.as_secs_f64().to_string(),
        check: |c| keeps(c.reconnect_max >= Duration::from_millis(500)),
    },
    Setting {
        name: "MQTT_CLEAN_SESSION",
        rule: BOOLEAN,
        read: |c, text| set(&mut c.clean_session, boolean(text)),
        show: |c| c.clean_session.to_string(),
        check: |_| Ok(()),
    },
    Setting {
        name: PASSWORD_FILE,
        rule: "must be the path of a file that holds the password",
        read: |c, text| set(&mut c.password_file, paths::password(text).map(Some)),
        show: |c| path(c.password_file.as_ref().map(|(path, _)| path.as_path())),
        check: |_| Ok(()),
    },
    Setting {
        name: TLS_CA_FILE,
        rule: PEM,
        read: |c, text| set(&mut c.tls.ca, Ok(Some(text.into()))),
        show: |c| path(c.tls.ca.as_deref()),
        check: |c| c.tls.ca.as_deref().map_or(Ok(()), paths::readable),
    },
    Setting {
        name: TLS_CERT_FILE,
        rule: PEM,
        read: |c, text| set(&mut c.tls.certificate, Ok(Some(text.into()))),
        show: |c| path(c.tls.certificate.as_deref()),
        check: |c| c.tls.certificate.as_deref().map_or(Ok(()), paths::readable),
    },
    Setting {
        name: TLS_KEY_FILE,
        rule: PEM,
        read: |c, text| set(&mut c.tls.key, Ok(Some(text.into()))),
        show: |c| path(c.tls.key.as_deref()),
        check: |c| c.tls.key.as_deref().map_or(Ok(()), paths::readable),
    },
    Setting {
        name: "MQTT_MAX_PACKET_SIZE",
        rule: "must be whole bytes from 1024 to 268435455",
        read: |c, text| set(&mut c.max_packet_size, whole(text)),
        show: |c| c.max_packet_size.to_string(),
        check: |c| keeps(PACKET_BYTES.contains(&c.max_packet_size)),
    },
    Setting {
        name: "MQTT_SHUTDOWN_TIMEOUT",
        rule: "must be seconds, at least 0",
        read: |c, text| set(&mut c.shutdown_timeout, seconds(text)),
        show: |c| c.shutdown_timeout.as_secs_f64().to_string(),
        check: |_| Ok(()),
    },
    flow::MAX_IN_FLIGHT,
    flow::MAX_IN_FLIGHT_QOS2,
    flow::MAX_PUBLISH_ATTEMPTS,
    flow::RESUBSCRIBE,
    Setting {
        name: "MQTT_PUBLISH_TIMEOUT",
        rule: "must be seconds, more than 0, or `none` (or 0), which waits as long as it takes",
        read: |c, text| set(&mut c.publish_timeout, seconds_or_none(text)),
        show: |c| c.publish_timeout.map_or("none".to_owned(), |t| t.as_secs_f64().to_string()),
        check: |c| keeps(c.publish_timeout.is_none_or(|limit| !limit.is_zero())),
    },
];

fn features(config: &Config) -> Result<(), Refusal> {
    let scheme = config.url.scheme();
    match scheme.missing_features(cfg!(feature = "tls"), cfg!(feature = "websocket")) {
        None => Ok(()),
        Some(missing) => Err(Refusal::Because(format!(
            "{scheme}:// needs the cargo {missing} of tars-mqtt: enable it in Cargo.toml"
        ))),
    }
}

pub(super) fn set<T>(place: &mut T, value: Result<T, Refusal>) -> Result<(), Refusal> {
    *place = value?;
    Ok(())
}

fn without_fault(name: &str) -> Result<(), Refusal> {
    names::fault(name).map_or(Ok(()), |fault| Err(Refusal::Because(fault)))
}

pub(super) fn keeps(rule: bool) -> Result<(), Refusal> {
    if rule { Ok(()) } else { Err(Refusal::Rule) }
}

fn path(path: Option<&Path>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}
