use tars_mqtt::prelude::*;

#[subscribe("jobs", 1)]
async fn read(_: Bytes) {}

fn main() {}
