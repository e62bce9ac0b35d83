#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("jobs/{name}", dead_letter = "dead/{name}")]
async fn read(name: String) {}

fn main() {}
