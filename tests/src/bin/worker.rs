//! A service that answers each `work` with `done`, after a moment that differs from one to the next.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct Work {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
struct Done {
    number: u64,
}

#[subscribe(concurrency = 16)]
async fn answer(work: Work) -> Done {
    tokio::time::sleep(Duration::from_micros(work.number * 7919 % 3000)).await;
    Done { number: work.number }
}

#[tars_mqtt::main]
async fn main() {}
