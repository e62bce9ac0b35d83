use tars_mqtt::prelude::*;

#[subscribe("jobs", colour = "red")]
async fn read(_: Bytes) {}

fn main() {}
