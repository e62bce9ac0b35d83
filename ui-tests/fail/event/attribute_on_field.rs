use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
struct Reading {
    #[event(retain)]
    celsius: f64,
}

fn main() {}
