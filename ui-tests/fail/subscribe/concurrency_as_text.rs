use tars_mqtt::prelude::*;

#[subscribe("jobs", concurrency = "8")]
async fn read(_: Bytes) {}

fn main() {}
