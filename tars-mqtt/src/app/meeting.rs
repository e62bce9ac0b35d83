use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::broker::EmbeddedBroker;
use crate::broker::claim::{Claim, Claimed};
use crate::config::Config;
use crate::error::{Error, Result};

/// How long a broker that another service starts may take until it listens.
const STARTING: Duration = Duration::from_secs(5);

/// How long whoever is on this machine may take to accept a connection.
const ANSWER: Duration = Duration::from_secs(1);

/// For a service that was told of no broker: one in this process, if no other service of this user has
/// started one, which is joined. Another broker that is there is joined only when that is asked for.
pub(super) async fn broker(config: &Config) -> Result<Option<EmbeddedBroker>> {
    if !config.wants_embedded_broker() {
        return Ok(None);
    }
    let url = config.url();
    let address = format!("{}:{}", url.bracketed_host(), url.port());
    if config.joins_any_local_broker() && answers(&address).await {
        return Ok(joined(&address));
    }
    let deadline = Instant::now() + STARTING;
    let broker = loop {
        match Claim::take() {
            Ok(Claimed::Now(claim)) => break EmbeddedBroker::start_claimed(&address, claim).await,
            Ok(Claimed::Already { listening: true }) => return Ok(joined(&address)),
            Ok(Claimed::Already { listening: false }) if Instant::now() < deadline => {
                sleep(Duration::from_millis(20)).await;
            }
            Ok(Claimed::Already { listening: false }) => {
                return Err(Error::Broker(format!(
                    "another service of this user was about to start a broker on {address}, and \
                     did not within {STARTING:?}; set MQTT_URL to the broker to be used"
                )));
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    "other services of this user will not find the broker that is started here: \
                     set MQTT_URL for them"
                );
                break EmbeddedBroker::start(&address).await;
            }
        }
    };
    match broker {
        Ok(broker) => {
            tracing::warn!("MQTT_URL is not set: started a broker in this process, on {address}");
            Ok(Some(broker))
        }
        Err(_) if answers(&address).await => Err(Error::Broker(format!(
            "MQTT_URL is not set, and something that no service of this user has started listens \
             on {address} already: set MQTT_URL=mqtt://{address} (or MQTT_JOIN_LOCAL_BROKER=true) \
             to use it, or MQTT_URL to another broker"
        ))),
        Err(error) => Err(error),
    }
}

fn joined(address: &str) -> Option<EmbeddedBroker> {
    tracing::warn!("MQTT_URL is not set: joining the broker on {address}");
    None
}

async fn answers(address: &str) -> bool {
    matches!(timeout(ANSWER, TcpStream::connect(address)).await, Ok(Ok(_)))
}
