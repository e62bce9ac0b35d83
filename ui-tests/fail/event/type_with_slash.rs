use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event("sensors/reading")]
struct Reading {}

fn main() {}
