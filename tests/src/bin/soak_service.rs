//! The service of the soak: it answers work at QoS 1 and 2 at the same level, and takes a flood.

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
#[event("soak.work.one", topic = "soak/work/1", qos = 1)]
struct WorkOne {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("soak.done.one", topic = "soak/done/1", qos = 1)]
struct DoneOne {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("soak.work.two", topic = "soak/work/2", qos = 2)]
struct WorkTwo {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("soak.done.two", topic = "soak/done/2", qos = 2)]
struct DoneTwo {
    number: u64,
}

#[subscribe(concurrency = 8)]
async fn one(work: WorkOne) -> DoneOne {
    DoneOne { number: work.number }
}

#[subscribe(concurrency = 8, qos = 2)]
async fn two(work: WorkTwo) -> DoneTwo {
    DoneTwo { number: work.number }
}

#[subscribe("soak/flood", qos = 0)]
async fn flood(_drop: Bytes) {}

#[tars_mqtt::main]
async fn main() {}
