use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(qos = 3)]
struct Reading {}

fn main() {}
