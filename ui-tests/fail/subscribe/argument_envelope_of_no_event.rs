#![allow(unused_variables)]

use tars_mqtt::prelude::*;

use serde::Deserialize;

#[derive(Deserialize)]
struct Job {}

#[subscribe("job")]
async fn read(job: Envelope<Job>) {}

fn main() {}
