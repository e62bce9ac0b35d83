use tars_mqtt::prelude::*;

#[subscribe("jobs", accept_bare = 1)]
async fn read(_: Bytes) {}

fn main() {}
