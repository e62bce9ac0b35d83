//! The whole service of the manual, under the strictest lints a program might set.
#![deny(warnings, missing_debug_implementations, missing_docs, unreachable_pub, non_local_definitions)]
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Debug, Serialize, Deserialize, Event)]
struct LlmRequest {
    id: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct LlmResponse {
    id: String,
    reply: String,
}

#[subscribe("llm/request")]
async fn answer(request: LlmRequest) -> LlmResponse {
    LlmResponse { id: request.id, reply: request.text.to_uppercase() }
}

mod service {
    #[tars_mqtt::main]
    pub(super) async fn main() {}
}

fn main() {
    let _: fn() -> std::process::ExitCode = service::main;
}
