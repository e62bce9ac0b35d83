use tars_mqtt::prelude::*;

#[subscribe("sensors/room+/x")]
async fn read(_: Bytes) {}

fn main() {}
