#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("sensors/kitchen")]
async fn read(floor: u32, _: Bytes) {}

fn main() {}
