use tars_mqtt::prelude::*;

#[subscribe(topic = "jobs")]
async fn read(_: Bytes) {}

fn main() {}
