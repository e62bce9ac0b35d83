use tars_mqtt::prelude::*;

#[subscribe("jobs", concurency = 8)]
async fn read(_: Bytes) {}

fn main() {}
