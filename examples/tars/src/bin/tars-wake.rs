//! Wakes up when called: "hey tars".
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-wake
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-wake", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::wake::service(app)?.run().await?)
}
