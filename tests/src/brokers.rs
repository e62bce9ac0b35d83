use std::io::Write as _;

use tars_mqtt::Config;
use tars_mqtt::broker::EmbeddedBroker;

use crate::external::External;
use crate::{Feature, Mosquitto, unique_id};

/// A broker to run a test against.
pub enum Broker {
    Embedded(EmbeddedBroker),
    Mosquitto(Mosquitto),
    /// One that runs already, and is shared with the tests before and after.
    External(External),
}

impl Broker {
    pub fn url(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.url(),
            Self::Mosquitto(broker) => broker.url(),
            Self::External(broker) => broker.url(),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Embedded(broker) => broker.local_addr().port(),
            Self::Mosquitto(broker) => broker.port(),
            Self::External(broker) => broker.port(),
        }
    }

    /// Settings of a client of its own on this broker.
    pub fn config(&self, name: &str) -> Config {
        Config::new(self.url(), unique_id(name)).expect("the settings are valid")
    }

    /// Whether the broker can do what a part of a test needs. If not, it is said on standard error.
    pub fn claims(&self, feature: Feature) -> bool {
        match self {
            Self::Embedded(_) | Self::Mosquitto(_) => true,
            Self::External(broker) => {
                let claims = broker.claims(feature);
                if !claims {
                    not_run(&format!("in full {}", broker.lacks(&[feature])));
                }
                claims
            }
        }
    }
}

/// Runs a test against the embedded broker, and against mosquitto where it is installed; or, where
/// `TARS_MQTT_TEST_BROKER` names another broker, against that one alone.
pub async fn on_each_broker<F, Fut>(test: F)
where
    F: Fn(Broker) -> Fut,
    Fut: Future<Output = ()>,
{
    on_each_broker_with(&[], test).await;
}

/// As [`on_each_broker`], but only on those that can do what the test needs. Which are left out is
/// said on standard error.
pub async fn on_each_broker_with<F, Fut>(needs: &[Feature], test: F)
where
    F: Fn(Broker) -> Fut,
    Fut: Future<Output = ()>,
{
    if let Some(external) = External::from_env() {
        if needs.iter().all(|need| external.claims(*need)) {
            test(Broker::External(external)).await;
        } else {
            not_run(&external.lacks(needs));
        }
        return;
    }
    let embedded = EmbeddedBroker::start("127.0.0.1:0").await.expect("the embedded broker starts");
    test(Broker::Embedded(embedded)).await;
    if let Some(mosquitto) = Mosquitto::start().await {
        test(Broker::Mosquitto(mosquitto)).await;
    }
}

/// Says that a test was left out.
pub fn not_run(why: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Past the test harness, which would keep it to itself.
    let _ = writeln!(std::io::stderr(), "NOT RUN {why}: {test}");
}
