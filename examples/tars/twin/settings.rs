//! The settings that `tars-memory` reads from the environment.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use percent_encoding::percent_decode_str;
use tars::vars::Vars;

/// How the broker is reached, and how patient the service is.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<Login>,
    pub(crate) client_id: String,
    pub(crate) source: String,
    pub(crate) keep_alive: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) shortest_pause: Duration,
    pub(crate) longest_pause: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) largest_packet: usize,
}

/// A user and a password, which is never shown.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn from_env() -> anyhow::Result<Self> {
        let vars = Vars::of_process();
        let url = vars.optional("MQTT_URL").context("MQTT_URL is not set, and must be")?;
        let (host, port, login) = address(&url)?;
        let client_id = vars.text("MQTT_CLIENT_ID", "tars-memory");
        ensure!(
            !client_id.is_empty() && !client_id.contains(['/', '+', '#', '\0']),
            "MQTT_CLIENT_ID is {client_id:?}, and must be one level of a topic"
        );
        let shortest_pause = vars.seconds("MQTT_RECONNECT_MIN_DELAY", 0.5)?;
        Ok(Self {
            host,
            port,
            login,
            source: vars.text("MQTT_SOURCE_NAME", &client_id),
            client_id,
            keep_alive: Duration::from_secs(vars.number("MQTT_KEEPALIVE", 60, 1..=3600)?),
            heartbeat: vars.seconds("MQTT_HEARTBEAT_INTERVAL", 5.0)?.max(Duration::from_secs(1)),
            shortest_pause,
            longest_pause: vars.seconds("MQTT_RECONNECT_MAX_DELAY", 5.0)?.max(shortest_pause),
            shutdown_timeout: vars.seconds("MQTT_SHUTDOWN_TIMEOUT", 5.0)?,
            largest_packet: vars.number("MQTT_MAX_PACKET_SIZE", 1 << 20, 1024..=268_435_455)?,
        })
    }
}

/// Host, port and login of `mqtt://[user:password@]host[:port]`.
fn address(url: &str) -> anyhow::Result<(String, u16, Option<Login>)> {
    let must = "MQTT_URL must be like mqtt://user:password@host:1883";
    let Some(rest) = url.strip_prefix("mqtt://") else { bail!(must) };
    let (login, address) = match rest.trim_end_matches('/').rsplit_once('@') {
        Some((login, address)) => (Some(login), address),
        None => (None, rest.trim_end_matches('/')),
    };
    let login = login.map(|login| {
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Login { user: decoded(user), password: decoded(password) }
    });
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().context(must)?),
        _ => (address, 1883),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ensure!(!host.is_empty(), must);
    Ok((host.to_owned(), port, login))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_may_have_more() {
        let read = |url| {
            let (host, port, login) = address(url).unwrap();
            (host, port, login.map(|login| (login.user, login.password)))
        };
        assert_eq!(read("mqtt://localhost"), ("localhost".into(), 1883, None));
        assert_eq!(read("mqtt://[::1]:9/"), ("::1".into(), 9, None));
        let login = Some(("a@b".into(), "p:w".into()));
        assert_eq!(read("mqtt://a%40b:p%3Aw@host:18"), ("host".into(), 18, login));
        for wrong in ["localhost", "mqtts://host", "mqtt://", "mqtt://host:port"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
