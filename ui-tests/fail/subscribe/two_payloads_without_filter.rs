#![allow(unused_variables)]

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct LlmRequest {
    text: String,
}

#[subscribe]
async fn read(room: String, request: Envelope<LlmRequest>) {}

fn main() {}
