use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct LlmRequest {
    text: String,
}

#[subscribe(dead_letter = "llm/request")]
async fn read(_: LlmRequest) {}

fn main() {}
