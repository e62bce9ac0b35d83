use tars_mqtt::prelude::*;

struct Done;

#[subscribe("jobs")]
async fn read(_: Bytes) -> Done {
    Done
}

fn main() {}
