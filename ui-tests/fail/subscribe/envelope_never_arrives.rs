#![allow(unused_variables)]

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct LlmRequest {
    text: String,
}

#[subscribe("llm/+/done", qos = 0)]
async fn read(context: Context, request: Envelope<LlmRequest>) {}

fn main() {}
