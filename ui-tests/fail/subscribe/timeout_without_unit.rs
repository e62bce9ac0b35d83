use tars_mqtt::prelude::*;

#[subscribe("jobs", timeout = 30)]
async fn read(_: Bytes) {}

fn main() {}
