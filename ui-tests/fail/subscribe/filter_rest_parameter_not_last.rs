#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("logs/{path..}/errors")]
async fn read(path: String, _: Bytes) {}

fn main() {}
