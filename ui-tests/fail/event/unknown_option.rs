use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event("reading", topc = "sensors/reading")]
struct Reading {}

fn main() {}
