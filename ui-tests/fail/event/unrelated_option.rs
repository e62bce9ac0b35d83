use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(colour = "red")]
struct Reading {}

fn main() {}
