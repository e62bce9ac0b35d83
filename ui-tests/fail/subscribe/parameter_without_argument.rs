use tars_mqtt::prelude::*;

#[subscribe("sensors/{room}/temperature")]
async fn read(_: Bytes) {}

fn main() {}
