use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "sensors/{rooms}/{floor}")]
struct Reading {
    room: String,
    celsius: f64,
}

fn main() {}
