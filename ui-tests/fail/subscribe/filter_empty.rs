use tars_mqtt::prelude::*;

#[subscribe("")]
async fn read(_: Bytes) {}

fn main() {}
