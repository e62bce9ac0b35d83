use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read(_: Bytes) {}

#[subscribe("other/jobs")]
async fn read(_: Bytes) {}

fn main() {}
