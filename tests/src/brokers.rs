use tars_mqtt::Config;
use tars_mqtt::broker::EmbeddedBroker;

use crate::{Mosquitto, unique_id};

/// A broker to run a test against.
pub enum Broker {
    Embedded(EmbeddedBroker),
    Mosquitto(Mosquitto),
}

impl Broker {
    pub fn url(&self) -> String {
        match self {
            Self::Embedded(broker) => broker.url(),
            Self::Mosquitto(broker) => broker.url(),
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Embedded(broker) => broker.local_addr().port(),
            Self::Mosquitto(broker) => broker.port(),
        }
    }

    /// Settings of a client of its own on this broker.
    pub fn config(&self, name: &str) -> Config {
        Config::new(self.url(), unique_id(name)).expect("the settings are valid")
    }
}

/// Runs a test against the embedded broker, and against mosquitto where it is installed.
pub async fn on_each_broker<F, Fut>(test: F)
where
    F: Fn(Broker) -> Fut,
    Fut: Future<Output = ()>,
{
    let embedded = EmbeddedBroker::start("127.0.0.1:0").await.expect("the embedded broker starts");
    test(Broker::Embedded(embedded)).await;
    if let Some(mosquitto) = Mosquitto::start().await {
        test(Broker::Mosquitto(mosquitto)).await;
    }
}
