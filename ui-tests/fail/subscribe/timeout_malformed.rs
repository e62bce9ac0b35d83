use tars_mqtt::prelude::*;

#[subscribe("jobs", timeout = "30 seconds")]
async fn read(_: Bytes) {}

fn main() {}
