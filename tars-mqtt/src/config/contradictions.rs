use super::Config;
use super::names;
use super::paths::PASSWORD_BYTES;
use super::settings::{
    CLIENT_ID, DEDUPE_MAX_ENTRIES, DEDUPE_TTL, PASSWORD_FILE, RECONNECT_MAX_DELAY,
    RECONNECT_MIN_DELAY, TLS_CA_FILE, TLS_CERT_FILE, TLS_KEY_FILE, URL,
};

/// A rule over more than one setting that is broken.
pub(super) struct Contradiction {
    /// The setting that is reported.
    pub(super) name: &'static str,
    /// The other one; if either has a problem of its own, that one comes first.
    pub(super) with: &'static str,
    pub(super) reason: String,
}

type Add<'a> = &'a mut dyn FnMut(&'static str, &'static str, String);

pub(super) fn contradictions(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let mut add = |name, with, reason: String| found.push(Contradiction { name, with, reason });
    topic_length(config, &mut add);
    if config.dedupe_window().is_some_and(|(_, max_entries)| max_entries == 0) {
        add(
            DEDUPE_MAX_ENTRIES,
            DEDUPE_TTL,
            format!("must be more than 0 while {DEDUPE_TTL} is more than 0; 2048 is usual"),
        );
    }
    if config.reconnect_max < config.reconnect_min {
        let min = config.reconnect_min.as_secs_f64();
        add(
            RECONNECT_MAX_DELAY,
            RECONNECT_MIN_DELAY,
            format!("must be at least {RECONNECT_MIN_DELAY}, which is {min}"),
        );
    }
    password_file(config, &mut add);
    login(config, &mut add);
    tls(config, &mut add);
    found
}

/// The client id is the last level of two topics, and a topic is at most 65535 bytes.
fn topic_length(config: &Config, add: Add<'_>) {
    for (enabled, prefix, with) in [
        (config.health, "system/health/", "MQTT_ENABLE_HEALTH"),
        (config.heartbeat.enabled, "system/keepalive/", "MQTT_ENABLE_HEARTBEAT"),
    ] {
        let longest = 65535 - prefix.len();
        if enabled && config.client_id.len() > longest {
            add(
                CLIENT_ID,
                with,
                format!("must be at most {longest} bytes, to fit in the topic of {with}"),
            );
        }
    }
}

fn password_file(config: &Config, add: Add<'_>) {
    if config.password_file.is_none() {
        return;
    }
    if config.url.password().is_some() {
        add(
            PASSWORD_FILE,
            URL,
            format!("contradicts {URL}, which has a password already: keep one of the two"),
        );
    } else if config.url.user().is_none() {
        let scheme = config.url.scheme();
        add(
            PASSWORD_FILE,
            URL,
            format!(
                "needs a user name, as MQTT takes no password without one: write \
                 {scheme}://user@host in {URL}"
            ),
        );
    }
}

fn login(config: &Config, add: Add<'_>) {
    let Some((user, password)) = config.login() else { return };
    let name = if config.login.is_some() { "credentials" } else { URL };
    if user.is_empty() || user.len() > 65535 || user.contains('\0') {
        let reason = "must have a user name of 1 to 65535 bytes without NUL";
        add(name, name, reason.to_owned());
    } else if let Some(fault) = names::fault(user) {
        add(name, name, format!("has a user name that {fault}"));
    }
    if password.is_some_and(|password| password.len() > PASSWORD_BYTES) {
        add(name, name, format!("must have a password of at most {PASSWORD_BYTES} bytes"));
    }
}

fn tls(config: &Config, add: Add<'_>) {
    let tls = &config.tls;
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => add(
            TLS_CERT_FILE,
            TLS_KEY_FILE,
            format!("needs {TLS_KEY_FILE} as well: set it to the certificate's private key"),
        ),
        (None, Some(_)) => add(
            TLS_KEY_FILE,
            TLS_CERT_FILE,
            format!("needs {TLS_CERT_FILE} as well: set it to the key's certificate"),
        ),
        _ => {}
    }
    let scheme = config.url.scheme();
    if scheme.is_tls() {
        return;
    }
    for (name, path) in
        [(TLS_CA_FILE, &tls.ca), (TLS_CERT_FILE, &tls.certificate), (TLS_KEY_FILE, &tls.key)]
    {
        if path.is_some() {
            add(
                name,
                URL,
                format!(
                    "contradicts {URL}, as {scheme}:// is not encrypted: write {scheme}s:// there, \
                     or remove this file"
                ),
            );
        }
    }
}
