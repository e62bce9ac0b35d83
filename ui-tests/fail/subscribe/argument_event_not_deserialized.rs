#![allow(unused_variables)]

use tars_mqtt::prelude::*;

use serde::Serialize;

#[derive(Serialize, Event)]
struct Job {}

#[subscribe("job")]
async fn read(job: Job) {}

fn main() {}
