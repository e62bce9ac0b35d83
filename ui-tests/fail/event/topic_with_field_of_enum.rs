use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room}")]
enum Reading {
    Celsius { room: String },
}

fn main() {}
