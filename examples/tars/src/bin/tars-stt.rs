//! Turns what is typed or piped into utterances, line by line. It goes on after the end of its input,
//! until it is stopped.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-stt
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-stt", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::stt::service(app)?.run().await?)
}
