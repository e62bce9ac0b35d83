//! Asking a service and waiting for its answer, matched by correlation id.
//!
//! ```sh
//! cargo run --bin request_reply
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Divide {
    dividend: i64,
    divisor: i64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Quotient {
    value: Option<i64>,
    error: Option<String>,
}

#[subscribe(concurrency = 8)]
async fn divide(Divide { dividend, divisor }: Divide) -> Quotient {
    match dividend.checked_div(divisor) {
        Some(value) => Quotient { value: Some(value), error: None },
        None => Quotient { value: None, error: Some(format!("{dividend} / {divisor}")) },
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Unanswered {}

async fn ask(client: &Client, dividend: i64, divisor: i64) -> tars_mqtt::Result<()> {
    let answer: Envelope<Quotient> = client.request(&Divide { dividend, divisor }).await?;
    println!("{dividend} / {divisor}: {:?} (from {})", answer.data, answer.source);
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let service = App::new(examples::config(&broker, "calculator")?).start().await?;
    let client = Client::connect(examples::config(&broker, "asker")?).await?;

    for (dividend, divisor) in [(42, 6), (1, 0)] {
        ask(&client, dividend, divisor).await?;
    }

    let asked = client.request::<_, Quotient>(&Unanswered {}).timeout(Duration::from_millis(200));
    match asked.await {
        Ok(answer) => println!("an answer to nothing: {answer:?}"),
        Err(error) => println!("nobody answers `unanswered`: {error}"),
    }

    client.shutdown().await?;
    service.stop().await?;
    broker.stop().await?;
    Ok(())
}
