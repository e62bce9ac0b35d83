//! Takes pictures when asked to, and shows a stream of small ones.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost CAMERA_FOLDER=pictures cargo run --bin tars-camera
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-camera", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::camera::service(app)?.run().await?)
}
