#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read(job: impl Into<String>) {}

fn main() {}
