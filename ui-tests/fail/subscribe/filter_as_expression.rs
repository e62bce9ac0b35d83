use tars_mqtt::prelude::*;

#[subscribe(concat!("jobs", "/new"))]
async fn read(_: Bytes) {}

fn main() {}
