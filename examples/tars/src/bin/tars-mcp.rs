//! Offers tools to language models: the time, arithmetic, and remembering.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-mcp
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-mcp", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::mcp::service(app)?.run().await?)
}
