use tars_mqtt::prelude::*;

#[subscribe("jobs", group = "a/b")]
async fn read(_: Bytes) {}

fn main() {}
