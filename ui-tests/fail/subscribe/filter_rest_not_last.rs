use tars_mqtt::prelude::*;

#[subscribe("logs/#/errors")]
async fn read(_: Bytes) {}

fn main() {}
