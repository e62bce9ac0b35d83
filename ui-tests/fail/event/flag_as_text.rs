use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

#[derive(Serialize, Deserialize, Event)]
#[event(retain = "yes")]
struct Reading {}

fn main() {}
