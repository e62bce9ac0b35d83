use tars_mqtt::prelude::*;

#[subscribe("logs/{path..}")]
async fn read(_: Bytes) {}

fn main() {}
