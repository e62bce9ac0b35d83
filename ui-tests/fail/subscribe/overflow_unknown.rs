use tars_mqtt::prelude::*;

#[subscribe("jobs", overflow = "drop_old")]
async fn read(_: Bytes) {}

fn main() {}
