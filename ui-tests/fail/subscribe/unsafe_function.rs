use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async unsafe fn read(_: Bytes) {}

fn main() {}
