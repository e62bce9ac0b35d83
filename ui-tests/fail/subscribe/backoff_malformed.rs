use tars_mqtt::prelude::*;

#[subscribe("jobs", retry = 3, backoff = "5s")]
async fn read(_: Bytes) {}

fn main() {}
