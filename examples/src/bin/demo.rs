//! A broker, a service and a client in one process: each line typed is sent as `llm/request`, and
//! the answer that comes back over MQTT is printed.
//!
//! ```sh
//! cargo run
//! echo hello | cargo run
//! ```

use serde::{Deserialize, Serialize};
use tars_mqtt::broker::EmbeddedBroker;
use tars_mqtt::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};

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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = start_broker().await?;
    let service = App::new(Config::new(broker.url(), "demo-service")?.health(true)).start().await?;
    explain(&broker);

    let client = Client::connect(Config::new(broker.url(), "demo-client")?).await?;
    let mut lines = BufReader::new(stdin()).lines();
    let mut count = 0;
    while let Some(text) = lines.next_line().await? {
        count += 1;
        let request = LlmRequest { id: count.to_string(), text };
        let answer: Envelope<LlmResponse> = client.request(&request).await?;
        println!("{}", answer.data.reply);
    }

    client.shutdown().await?;
    service.stop().await?;
    broker.stop().await?;
    Ok(())
}

/// As it would come from another service.
const REQUEST: &str =
    r#"{"id":"1","type":"llm.request","ts":0,"source":"me","data":{"id":"1","text":"hello"}}"#;

/// The usual port if it is free, else any.
async fn start_broker() -> tars_mqtt::Result<EmbeddedBroker> {
    match EmbeddedBroker::start("127.0.0.1:1883").await {
        Ok(broker) => Ok(broker),
        Err(_) => EmbeddedBroker::start("127.0.0.1:0").await,
    }
}

fn explain(broker: &EmbeddedBroker) {
    let port = broker.local_addr().port();
    println!("An MQTT broker listens on {}, and a service answers there.", broker.local_addr());
    println!("From another terminal:");
    println!("  mosquitto_sub -p {port} -v -t '#'");
    println!("  mosquitto_pub -p {port} -t llm/request -m '{REQUEST}'");
    println!("Or type here; each line is sent and answered over MQTT. End with Ctrl-D.");
}
