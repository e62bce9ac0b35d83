//! Turns movements into frames for the servos.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-movement
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-movement", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::movement::service(app)?.run().await?)
}
