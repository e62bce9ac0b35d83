//! What was refused once is not refused again where it is used.

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
#[event(qos = 3)]
struct Reading {}

#[subscribe]
async fn read(reading: Reading) -> Option<Reading> {
    Some(reading)
}

#[subscribe("")]
async fn other(_: Reading) {}

fn main() {
    let _ = Reading::TYPE;
    let _ = App::bare(Config::new("mqtt://localhost", "ui").unwrap()).handler::<other>();
}
