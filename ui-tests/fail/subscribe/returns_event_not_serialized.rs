use tars_mqtt::prelude::*;

use serde::Deserialize;

#[derive(Deserialize, Event)]
struct Done {}

#[subscribe("jobs")]
async fn read(_: Bytes) -> Done {
    Done {}
}

fn main() {}
