#![allow(unused_variables)]

use tars_mqtt::prelude::*;

#[subscribe("jobs/{id}", qos = 3, colour = 1)]
fn read(count: u8, job: &Bytes) {}

fn main() {}
