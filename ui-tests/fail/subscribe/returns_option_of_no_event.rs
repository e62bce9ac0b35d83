use tars_mqtt::prelude::*;

#[subscribe("jobs")]
async fn read(_: Bytes) -> Option<u32> {
    None
}

fn main() {}
