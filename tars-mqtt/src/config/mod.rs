//! What a service is told about its broker and its own behaviour: environment variables, a TOML
//! file, the program's defaults, or setters.

mod cautions;
mod contradictions;
mod dedupe_key;
mod defaults;
mod environment;
mod file;
mod files;
mod flow;
#[cfg(all(any(test, fuzzing), feature = "config-file"))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))]
pub(crate) mod fuzz;
mod load;
mod names;
mod nearest;
mod paths;
mod read;
mod redact;
mod scheme;
mod secret;
mod setters;
mod settings;
mod url;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use dedupe_key::DedupeKey;
pub use defaults::Defaults;
#[cfg(feature = "tls")]
pub(crate) use files::{PEM_BYTES, read_file};
pub(crate) use paths::read_password;
pub use scheme::Scheme;
pub(crate) use secret::Secret;
pub use url::BrokerUrl;

use crate::error::Error;
pub use crate::error::{ConfigError, Origin, Problem};

/// The configuration of one client.
///
/// [`from_env`](Self::from_env), [`load`](Self::load) and [`new`](Self::new) check everything and
/// report all problems at once. The setters cannot fail; what they set is checked when the client
/// or app starts.
///
/// No password and no user name, which may be a token, appears in `Debug` or `Display`.
#[derive(Debug, Clone)]
pub struct Config {
    url: BrokerUrl,
    local: LocalBroker,
    login: Option<Login>,
    password_file: Option<(PathBuf, Secret)>,
    client_id: String,
    source: Option<String>,
    keep_alive: Duration,
    health: bool,
    heartbeat: Heartbeat,
    dedupe: Dedupe,
    reconnect_min: Duration,
    reconnect_max: Duration,
    clean_session: bool,
    tls: TlsFiles,
    max_packet_size: usize,
    shutdown_timeout: Duration,
    publish_timeout: Option<Duration>,
    flow: flow::Flow,
    warnings: Vec<String>,
}

/// What takes the place of a broker that was not named.
#[derive(Debug, Clone, Default)]
struct LocalBroker {
    url_missing: bool,
    join_any: bool,
}

#[derive(Debug, Clone)]
struct Login {
    user: Secret,
    password: Secret,
}

#[derive(Debug, Clone)]
struct Heartbeat {
    enabled: bool,
    interval: Duration,
}

#[derive(Debug, Clone)]
struct Dedupe {
    ttl: Duration,
    max_entries: usize,
    key: DedupeKey,
}

#[derive(Debug, Clone, Default)]
struct TlsFiles {
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Config {
    /// The configuration from `MQTT_*` environment variables and, where one of them is not set,
    /// from the `[mqtt]` table of the TOML file that `TARS_MQTT_CONFIG` names (with the feature
    /// `config-file`, which is on by default; without it, naming a file is an error).
    ///
    /// `MQTT_URL` and `MQTT_CLIENT_ID` are required (the URL is not with the feature
    /// `embedded-broker`). Health, heartbeat and the filter for duplicates are off unless asked
    /// for.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with every value that is missing, cannot be read, breaks its rule or
    /// contradicts another, and with files that cannot be read.
    pub fn from_env() -> Result<Self, Error> {
        Self::load(Defaults::default())
    }

    /// Like [`from_env`](Self::from_env), with the program's own defaults for what neither the
    /// environment nor the file sets.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env); a default can be wrong too.
    pub fn load(defaults: Defaults) -> Result<Self, Error> {
        Ok(load::load_from(std::env::vars_os(), defaults)?)
    }

    /// A configuration for the broker at `url`, with the built-in defaults for all else. Neither
    /// the environment nor a file is looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the URL cannot be read or needs a cargo feature that is off, or if the
    /// client id is not 1 to 65535 bytes without `/`, `+`, `#` and NUL.
    pub fn new(url: impl AsRef<str>, client_id: impl Into<String>) -> Result<Self, Error> {
        let defaults = Defaults {
            url: Some(url.as_ref().to_owned()),
            client_id: Some(client_id.into()),
            ..Defaults::default()
        };
        Ok(load::load_from(std::iter::empty(), defaults)?)
    }

    fn built_in() -> Self {
        Self {
            url: BrokerUrl::local(),
            local: LocalBroker::default(),
            login: None,
            password_file: None,
            client_id: String::new(),
            source: None,
            keep_alive: Duration::from_secs(60),
            health: false,
            heartbeat: Heartbeat { enabled: false, interval: Duration::from_secs(5) },
            dedupe: Dedupe { ttl: Duration::ZERO, max_entries: 0, key: DedupeKey::Full },
            reconnect_min: Duration::from_millis(500),
            reconnect_max: Duration::from_secs(5),
            clean_session: false,
            tls: TlsFiles::default(),
            max_packet_size: 1024 * 1024,
            shutdown_timeout: Duration::from_secs(5),
            publish_timeout: None,
            flow: flow::Flow::default(),
            warnings: Vec::new(),
        }
    }

    /// Checks what the setters set, as a client or app does when it starts.
    ///
    /// # Errors
    ///
    /// Every value that breaks its rule or contradicts another, and files that cannot be read.
    pub fn validate(&self) -> Result<(), ConfigError> {
        match load::check(self, &load::Given::default(), &|_| false) {
            problems if problems.is_empty() => Ok(()),
            problems => Err(ConfigError::new(problems)),
        }
    }

    /// The broker's URL; `mqtt://127.0.0.1:1883` when an embedded broker is to be started.
    #[must_use]
    pub fn url(&self) -> &BrokerUrl {
        &self.url
    }

    /// Whether no URL was given anywhere and a broker in the process takes its place. Never without
    /// the feature `embedded-broker`.
    pub(crate) fn wants_embedded_broker(&self) -> bool {
        cfg!(feature = "embedded-broker") && self.local.url_missing
    }

    /// Whether a service that was told of no broker joins whichever one is on 127.0.0.1:1883.
    #[cfg(feature = "embedded-broker")]
    pub(crate) fn joins_any_local_broker(&self) -> bool {
        self.local.join_any
    }

    /// The file that holds the password.
    pub(crate) fn password_path(&self) -> Option<&Path> {
        self.password_file.as_ref().map(|(path, _)| path.as_path())
    }

    /// User name and, if there is one, password.
    pub(crate) fn login(&self) -> Option<(&str, Option<&str>)> {
        self.login_with(None)
    }

    /// As [`login`](Self::login), with what the password file holds by now.
    pub(crate) fn login_with<'a>(
        &'a self,
        renewed: Option<&'a Secret>,
    ) -> Option<(&'a str, Option<&'a str>)> {
        if let Some(login) = &self.login {
            return Some((login.user.expose(), Some(login.password.expose())));
        }
        let from_file = renewed.or(self.password_file.as_ref().map(|(_, password)| password));
        let password = self.url.password().or(from_file).map(Secret::expose);
        self.url.user().map(|user| (user, password))
    }

    /// The client id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The name that events carry as their source; the client id unless set.
    #[must_use]
    pub fn source_name(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.client_id)
    }

    /// The MQTT keep-alive, whole seconds; 60 s unless set.
    #[must_use]
    pub fn keep_alive_interval(&self) -> Duration {
        self.keep_alive
    }

    /// Whether health is published on `system/health/{client_id}`; off unless set.
    #[must_use]
    pub fn health_enabled(&self) -> bool {
        self.health
    }

    /// How often a heartbeat is published on `system/keepalive/{client_id}`; `None` is never, and
    /// the default.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.heartbeat.enabled.then_some(self.heartbeat.interval)
    }

    /// How long, and for how many messages, a message is remembered to recognise a duplicate;
    /// `None` is no filter, and the default.
    #[must_use]
    pub fn dedupe_window(&self) -> Option<(Duration, usize)> {
        (!self.dedupe.ttl.is_zero()).then_some((self.dedupe.ttl, self.dedupe.max_entries))
    }

    /// What makes two messages duplicates; [`DedupeKey::Full`] unless set.
    #[must_use]
    pub fn duplicates_compared_by(&self) -> DedupeKey {
        self.dedupe.key
    }

    /// The shortest and the longest wait before the next attempt to connect; 0.5 s and 5 s unless
    /// set.
    #[must_use]
    pub fn reconnect_delays(&self) -> (Duration, Duration) {
        (self.reconnect_min, self.reconnect_max)
    }

    /// Whether the broker is to forget the session when the connection ends; it keeps it unless
    /// set.
    #[must_use]
    pub fn is_clean_session(&self) -> bool {
        self.clean_session
    }

    /// The PEM file of the certificate authorities to trust; `None` is the system's.
    #[must_use]
    pub fn tls_ca_path(&self) -> Option<&Path> {
        self.tls.ca.as_deref()
    }

    /// The PEM files of the client's certificate and its key; `None` is no client certificate.
    #[must_use]
    pub fn tls_client_paths(&self) -> Option<(&Path, &Path)> {
        self.tls.certificate.as_deref().zip(self.tls.key.as_deref())
    }

    /// The largest packet that is sent or taken, in bytes; 1 MiB unless set.
    #[must_use]
    pub fn packet_limit(&self) -> usize {
        self.max_packet_size
    }

    /// How long a shutdown may take to finish what is under way; 5 s unless set.
    #[must_use]
    pub fn shutdown_limit(&self) -> Duration {
        self.shutdown_timeout
    }

    /// How long a published message may wait for its acknowledgement; `None` is as long as it
    /// takes, and the default.
    #[must_use]
    pub fn publish_limit(&self) -> Option<Duration> {
        self.publish_timeout
    }

    /// What is odd without being wrong, such as names that are no setting, one sentence each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The client id and the broker: `tars-llm at mqtt://***@host:1883`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broker = if self.wants_embedded_broker() { " (embedded broker)" } else { "" };
        write!(f, "{} at {}{broker}", self.client_id, self.url)
    }
}

#[cfg(test)]
mod tests;
