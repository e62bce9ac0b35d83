//! Several instances that share a subscription, and raw bytes: pages are published as they are, and
//! each of them is counted by one of two workers.
//!
//! ```sh
//! cargo run --bin workers
//! ```

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Counted {
    page: u32,
    words: usize,
}

#[subscribe("pages/{page}", group = "workers")]
async fn count(page: u32, text: Bytes) -> Counted {
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
    Counted { page, words }
}

async fn send(client: &Client, page: u32, text: &'static [u8]) -> tars_mqtt::Result<()> {
    client.message(format!("pages/{page}")).payload(text).send().await?.delivered().await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let mut workers = Vec::new();
    for name in ["worker-1", "worker-2"] {
        workers.push(App::new(examples::config(&broker, name)?).start().await?);
    }

    let client = Client::connect(examples::config(&broker, "library")?).await?;
    let mut counts = client.subscribe::<Counted>(Counted::TOPIC).await?;
    let pages = [&b"one two"[..], b"three", b"\xff four \xfe", b""];
    for (page, text) in (0..).zip(pages) {
        send(&client, page, text).await?;
    }
    let (mut count, mut words) = (0, 0);
    while count < pages.len()
        && let Some(Envelope { source, data, .. }) = counts.next().await
    {
        println!("{source} has found {} words on page {}", data.words, data.page);
        (count, words) = (count + 1, words + data.words);
    }
    println!("{words} words on {count} pages");

    client.shutdown().await?;
    for worker in workers {
        worker.stop().await?;
    }
    broker.stop().await?;
    Ok(())
}
