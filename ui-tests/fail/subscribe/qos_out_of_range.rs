use tars_mqtt::prelude::*;

#[subscribe("jobs", qos = 3)]
async fn read(_: Bytes) {}

fn main() {}
