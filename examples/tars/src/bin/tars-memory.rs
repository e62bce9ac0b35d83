//! Remembers what is said in `data/memory.jsonl`, finds it again, and keeps the character.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-memory
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-memory", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::memory::service(app)?.run().await?)
}
