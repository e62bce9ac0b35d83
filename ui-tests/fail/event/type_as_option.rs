use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(type = "reading")]
struct Reading {}

fn main() {}
