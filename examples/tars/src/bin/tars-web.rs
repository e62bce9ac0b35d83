//! A page that shows the robot at work, with a box to type into and an emergency stop.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin tars-web    # and open http://127.0.0.1:8080/
//! ```

use tars_mqtt::prelude::*;

#[tars_mqtt::main(client_id = "tars-web", heartbeat = "5s", dedupe_key = "tars")]
async fn main(app: App) -> anyhow::Result<()> {
    Ok(tars::web::service(app)?.run().await?)
}
