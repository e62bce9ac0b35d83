//! Answers requests with the language model behind `OPENAI_BASE_URL`, or without one by rules.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-llm
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-llm", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::llm::service(app)?.run().await?)
}
