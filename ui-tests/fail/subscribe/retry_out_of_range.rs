use tars_mqtt::prelude::*;

#[subscribe("jobs", retry = -1)]
async fn read(_: Bytes) {}

fn main() {}
