use tars_mqtt::prelude::*;

#[subscribe("jobs/#", dead_letter = "jobs/dead")]
async fn read(_: Bytes) {}

fn main() {}
