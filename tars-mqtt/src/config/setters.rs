use std::path::PathBuf;
use std::time::Duration;

use super::read::bounded;
use super::secret::Secret;
use super::{Config, Dedupe, DedupeKey, Login};

/// Each setter says which values are accepted; others are reported when the client or app starts.
impl Config {
    /// The name that events carry as their source, not empty. Default: the client id.
    #[must_use]
    pub fn source(mut self, name: impl Into<String>) -> Self {
        self.source = Some(name.into());
        self
    }

    /// The MQTT keep-alive: whole seconds from 1 to 3600. Default: 60 s.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// Whether health is published on `system/health/{client_id}`. Default: false.
    #[must_use]
    pub fn health(mut self, enabled: bool) -> Self {
        self.health = enabled;
        self
    }

    /// How often a heartbeat is published on `system/keepalive/{client_id}`, at least 1 s; `None`
    /// is never. Default: `None`.
    #[must_use]
    pub fn heartbeat(mut self, interval: Option<Duration>) -> Self {
        self.heartbeat.enabled = interval.is_some();
        if let Some(interval) = interval {
            self.heartbeat.interval = bounded(interval);
        }
        self
    }

    /// Recognises duplicates for `ttl` among the last `max_entries` messages; zero `ttl` is not at
    /// all, otherwise `max_entries` must be more than 0. Default: not at all.
    #[must_use]
    pub fn dedupe(mut self, ttl: Duration, max_entries: usize) -> Self {
        self.dedupe = Dedupe { ttl: bounded(ttl), max_entries, ..self.dedupe };
        self
    }

    /// What makes two messages duplicates, while they are filtered. Default:
    /// [`DedupeKey::Full`].
    #[must_use]
    pub fn dedupe_key(mut self, key: DedupeKey) -> Self {
        self.dedupe.key = key;
        self
    }

    /// The shortest (at least 0.1 s) and the longest (at least 0.5 s, and not below the shortest)
    /// wait before the next attempt to connect. Default: 0.5 s and 5 s.
    #[must_use]
    pub fn reconnect_delay(mut self, min: Duration, max: Duration) -> Self {
        self.reconnect_min = bounded(min);
        self.reconnect_max = bounded(max);
        self
    }

    /// Whether the broker is to forget subscriptions and undelivered messages when the connection
    /// ends. Default: false, so that it keeps what arrives while the service is down.
    #[must_use]
    pub fn clean_session(mut self, clean: bool) -> Self {
        self.clean_session = clean;
        self
    }

    /// User name (1 to 65535 bytes without NUL) and password (at most 65535 bytes), instead of
    /// those in the URL. Default: those in the URL.
    #[must_use]
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some(Login { user: Secret::new(user), password: Secret::new(password) });
        self.password_file = None;
        self
    }

    /// A PEM file of the certificate authorities to trust; the URL must be `mqtts` or `wss`.
    /// Default: the system's.
    #[must_use]
    pub fn tls_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.tls.ca = Some(path.into());
        self
    }

    /// The PEM files of the client's own certificate and of its private key; the URL must be
    /// `mqtts` or `wss`. Default: no client certificate.
    #[must_use]
    pub fn tls_client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.tls.certificate = Some(certificate.into());
        self.tls.key = Some(key.into());
        self
    }

    /// The largest packet that is sent or taken, from 1024 to 268435455 bytes. Default: 1 MiB.
    #[must_use]
    pub fn max_packet_size(mut self, bytes: usize) -> Self {
        self.max_packet_size = bytes;
        self
    }

    /// How long a shutdown may take to finish what is under way. Default: 5 s.
    #[must_use]
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = bounded(limit);
        self
    }

    /// How long a published message may wait for its acknowledgement, more than zero; `None` is as
    /// long as it takes. Default: `None`.
    #[must_use]
    pub fn publish_timeout(mut self, limit: Option<Duration>) -> Self {
        self.publish_timeout = limit.map(bounded);
        self
    }
}
