use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event("reading", retain)]
#[event("measurement", retain = false)]
struct Reading {}

fn main() {}
