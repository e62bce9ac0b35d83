use tars_mqtt::prelude::*;

#[subscribe("jobs", queue = 2_000_000)]
async fn read(_: Bytes) {}

fn main() {}
