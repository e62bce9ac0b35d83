use tars_mqtt::prelude::*;

#[subscribe("jobs", retry = 3, backoff = "5s..100ms")]
async fn read(_: Bytes) {}

fn main() {}
