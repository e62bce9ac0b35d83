use tars_mqtt::prelude::*;

#[subscribe("jobs")]
fn read(_: Bytes) {}

fn main() {}
