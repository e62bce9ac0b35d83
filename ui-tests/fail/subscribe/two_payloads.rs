#![allow(unused_variables)]

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct LlmRequest {
    text: String,
}

#[subscribe("llm/request")]
async fn read(client: Client, request: LlmRequest, raw: Bytes) {}

fn main() {}
