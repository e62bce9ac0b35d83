use tars_mqtt::prelude::*;

#[subscribe("jobs", retry(3))]
async fn read(_: Bytes) {}

fn main() {}
