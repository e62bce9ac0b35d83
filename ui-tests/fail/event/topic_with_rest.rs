use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room..}")]
struct Reading {
    room: String,
}

fn main() {}
