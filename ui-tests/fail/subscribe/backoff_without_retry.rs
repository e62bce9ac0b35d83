use tars_mqtt::prelude::*;

#[subscribe("jobs", backoff = "100ms..5s")]
async fn read(_: Bytes) {}

fn main() {}
