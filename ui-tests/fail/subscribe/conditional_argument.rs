use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read(#[cfg(unix)] _: Bytes) {}

fn main() {}
