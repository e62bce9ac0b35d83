use tars_mqtt::prelude::*;

#[subscribe("jobs", ack = "never")]
async fn read(_: Bytes) {}

fn main() {}
