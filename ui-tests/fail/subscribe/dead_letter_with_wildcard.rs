use tars_mqtt::prelude::*;

#[subscribe("jobs", dead_letter = "dead/#")]
async fn read(_: Bytes) {}

fn main() {}
