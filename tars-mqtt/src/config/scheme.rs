use std::fmt;

/// How the broker is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `mqtt://`: MQTT over TCP, port 1883.
    Mqtt,
    /// `mqtts://`: MQTT over TLS, port 8883. Needs the feature `tls`.
    Mqtts,
    /// `ws://`: MQTT over WebSocket, port 80. Needs the feature `websocket`.
    Ws,
    /// `wss://`: MQTT over WebSocket over TLS, port 443. Needs the features `tls` and `websocket`.
    Wss,
}

impl Scheme {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Mqtt, Self::Mqtts, Self::Ws, Self::Wss]
            .into_iter()
            .find(|scheme| name.eq_ignore_ascii_case(scheme.name()))
    }

    /// The scheme as it is written before `://`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mqtt => "mqtt",
            Self::Mqtts => "mqtts",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Mqtt => 1883,
            Self::Mqtts => 8883,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Mqtts | Self::Wss)
    }

    /// Whether MQTT travels in WebSocket frames.
    #[must_use]
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The cargo features that this scheme needs, given which ones are on.
    pub(super) fn missing_features(self, tls: bool, websocket: bool) -> Option<&'static str> {
        match (self.is_tls() && !tls, self.is_websocket() && !websocket) {
            (false, false) => None,
            (true, false) => Some("feature `tls`"),
            (false, true) => Some("feature `websocket`"),
            (true, true) => Some("features `tls` and `websocket`"),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Scheme;

    #[test]
    fn a_scheme_names_just_the_features_that_are_missing() {
        let missing = Scheme::missing_features;
        assert_eq!(missing(Scheme::Mqtt, false, false), None);
        assert_eq!(missing(Scheme::Mqtts, false, true), Some("feature `tls`"));
        assert_eq!(missing(Scheme::Mqtts, true, false), None);
        assert_eq!(missing(Scheme::Ws, true, false), Some("feature `websocket`"));
        assert_eq!(missing(Scheme::Ws, false, true), None);
        assert_eq!(missing(Scheme::Wss, true, false), Some("feature `websocket`"));
        assert_eq!(missing(Scheme::Wss, false, true), Some("feature `tls`"));
        assert_eq!(missing(Scheme::Wss, false, false), Some("features `tls` and `websocket`"));
        assert_eq!(missing(Scheme::Wss, true, true), None);
    }
}
