use tars_mqtt::prelude::*;

#[subscribe("sensors/{floor}")]
async fn read(_: u32) {}

fn main() {}
