use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(names::READING)]
struct Reading {}

mod names {
    pub const READING: &str = "reading";
}

fn main() {}
