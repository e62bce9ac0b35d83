#![allow(unused_variables)]

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct LlmRequest {
    text: String,
}

#[subscribe("llm/response")]
async fn read(request: LlmRequest) {}

fn main() {}
