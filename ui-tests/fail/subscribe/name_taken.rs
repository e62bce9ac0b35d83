use tars_mqtt::prelude::*;

mod read {}

#[subscribe("jobs")]
async fn read(_: Bytes) {}

fn main() {}
