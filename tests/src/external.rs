/// Names the broker that tests are to run against instead of the usual ones.
const NAME: &str = "TARS_MQTT_TEST_BROKER";

/// Its port on 127.0.0.1.
const PORT: &str = "TARS_MQTT_TEST_PORT";

/// What not every broker can do. Each test says which of these it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Messages at QoS 2. Without it, a subscription at QoS 2 is granted as QoS 1.
    Qos2,
    /// `$share/{group}/{filter}`.
    SharedSubscriptions,
    /// What is retained comes to a filter with wildcards too.
    RetainedForWildcards,
    /// A filter that an earlier connection of the session subscribed to can be given up.
    UnsubscribesFromEarlier,
    /// A thousand filters of one client.
    ManyFilters,
    /// Topics with any characters, and `#` for all but those that begin with `$`.
    AnyTopic,
}

/// A broker that somebody else has started, and that tests share.
pub struct External {
    kind: Kind,
    port: u16,
}

#[derive(Clone, Copy)]
enum Kind {
    RabbitMq,
    Nats,
}

impl External {
    /// The one that the environment names.
    pub(crate) fn from_env() -> Option<Self> {
        let kind = match std::env::var(NAME).ok()?.as_str() {
            "rabbitmq" => Kind::RabbitMq,
            "nats" => Kind::Nats,
            other => panic!("{NAME} is {other:?}: it must be \"rabbitmq\" or \"nats\""),
        };
        let port = std::env::var(PORT).ok().and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("{NAME} is set, and {PORT} must be a port"));
        Some(Self { kind, port })
    }

    /// What it lacks of what a test needs, in words.
    pub(crate) fn lacks(&self, needs: &[Feature]) -> String {
        let name = match self.kind {
            Kind::RabbitMq => "RabbitMQ",
            Kind::Nats => "NATS",
        };
        let lacks: Vec<_> = needs.iter().filter(|need| !self.claims(**need)).collect();
        format!("against {name}, which does not have {lacks:?}")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Whether it can do this. `docs/brokers.md` says more.
    pub(crate) fn claims(&self, feature: Feature) -> bool {
        match (feature, self.kind) {
            (Feature::Qos2 | Feature::SharedSubscriptions | Feature::AnyTopic, _) => false,
            (Feature::RetainedForWildcards | Feature::UnsubscribesFromEarlier, kind) => {
                matches!(kind, Kind::Nats)
            }
            (Feature::ManyFilters, kind) => matches!(kind, Kind::RabbitMq),
        }
    }
}
