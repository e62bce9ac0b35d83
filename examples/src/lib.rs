//! What the examples have in common: a broker of their own, so that each runs with one command.

use tars_mqtt::broker::EmbeddedBroker;
use tars_mqtt::prelude::*;

/// Starts a broker in this process, on a free port, and says where.
///
/// # Errors
///
/// When no port can be opened.
pub async fn broker() -> tars_mqtt::Result<EmbeddedBroker> {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await?;
    println!("The broker listens on {}.", broker.local_addr());
    Ok(broker)
}

/// Settings of a service on that broker.
///
/// # Errors
///
/// When the client id is not one.
pub fn config(broker: &EmbeddedBroker, client_id: &str) -> tars_mqtt::Result<Config> {
    Config::new(broker.url(), client_id)
}
