//! A whole service: it answers each `llm/request` on `llm/response`.
//!
//! ```sh
//! MQTT_CLIENT_ID=quickstart cargo run --bin quickstart
//! ```
//!
//! Without `MQTT_URL` it starts a broker of its own on 127.0.0.1:1883. Talk to it with
//!
//! ```sh
//! mosquitto_sub -t 'llm/response' &
//! mosquitto_pub -t 'llm/request' \
//!     -m '{"id":"1","type":"llm.request","ts":0,"source":"me","data":{"id":"1","text":"hello"}}'
//! ```

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

#[tars_mqtt::main]
async fn main() {}
