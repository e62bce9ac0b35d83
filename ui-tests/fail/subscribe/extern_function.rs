use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async extern "C" fn read(_: Bytes) {}

fn main() {}
