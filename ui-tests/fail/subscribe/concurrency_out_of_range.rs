use tars_mqtt::prelude::*;

#[subscribe("jobs", concurrency = 0)]
async fn read(_: Bytes) {}

fn main() {}
