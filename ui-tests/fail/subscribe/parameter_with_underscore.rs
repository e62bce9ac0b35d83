use tars_mqtt::prelude::*;

#[subscribe("sensors/{room}/temperature")]
async fn read(_room: String, _: Bytes) {}

fn main() {}
