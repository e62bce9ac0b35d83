use tars_mqtt::prelude::*;

#[subscribe("jobs", qos = 1, retry = 2, qos = 2)]
async fn read(_: Bytes) {}

fn main() {}
