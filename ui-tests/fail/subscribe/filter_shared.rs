use tars_mqtt::prelude::*;

#[subscribe("$share/workers/jobs")]
async fn read(_: Bytes) {}

fn main() {}
