//! Decides what becomes of what is said: who answers, what is spoken, what moves.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-router
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-router", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::router::service(app)?.run().await?)
}
