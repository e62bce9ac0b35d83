use tars_mqtt::prelude::*;

const TOPIC: &str = "jobs";

#[subscribe(TOPIC)]
async fn read(_: Bytes) {}

fn main() {}
