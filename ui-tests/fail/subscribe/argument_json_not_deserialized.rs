#![allow(unused_variables)]

use tars_mqtt::prelude::*;

struct Job {}

#[subscribe("job")]
async fn read(job: Json<Job>) {}

fn main() {}
