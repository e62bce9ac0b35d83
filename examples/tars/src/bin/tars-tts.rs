//! Speaks: in text with the time that it takes, and as sound files where `TTS_WAV_DIR` names a folder
//! and espeak-ng is installed.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost TTS_WAV_DIR=/tmp/tars cargo run --bin tars-tts
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-tts", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::tts::service(app)?.run().await?)
}
