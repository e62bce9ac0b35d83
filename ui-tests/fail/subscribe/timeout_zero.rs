use tars_mqtt::prelude::*;

#[subscribe("jobs", timeout = "0s")]
async fn read(_: Bytes) {}

fn main() {}
