use tars_mqtt::prelude::*;

#[subscribe("jobs", timeout)]
async fn read(_: Bytes) {}

fn main() {}
