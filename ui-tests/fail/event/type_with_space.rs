use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event("sensor reading")]
struct Reading {}

fn main() {}
