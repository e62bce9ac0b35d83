#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("jobs/{name}")]
async fn read(name: &str, job: &Bytes) {}

fn main() {}
