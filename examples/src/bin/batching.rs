//! An extension by composition: a batcher that collects readings and publishes them together, as
//! soon as there are enough of them or the first one has waited long enough. It is an ordinary
//! value that wraps a client; handlers take it as state.
//!
//! ```sh
//! cargo run --bin batching
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tokio::sync::mpsc;
use tokio::time::timeout;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Reading {
    value: u32,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct ReadingBatch {
    values: Vec<u32>,
}

/// Where values are left to be published in batches.
#[derive(Clone)]
struct Batcher(mpsc::Sender<u32>);

impl Batcher {
    /// Batches of up to `size` values, none of which waits longer than `patience`.
    fn new(client: Client, size: usize, patience: Duration) -> Self {
        let (sender, receiver) = mpsc::channel(size);
        tokio::spawn(publish_batches(client, receiver, size, patience));
        Self(sender)
    }

    async fn push(&self, value: u32) -> anyhow::Result<()> {
        Ok(self.0.send(value).await?)
    }
}

async fn publish_batches(
    client: Client,
    mut values: mpsc::Receiver<u32>,
    size: usize,
    patience: Duration,
) {
    while let Some(first) = values.recv().await {
        let mut batch = vec![first];
        let fill = async {
            while batch.len() < size
                && let Some(value) = values.recv().await
            {
                batch.push(value);
            }
        };
        // A batch that is not full in time goes out as it is.
        let _ = timeout(patience, fill).await;
        if let Err(error) = client.publish(&ReadingBatch { values: batch }).await {
            eprintln!("a batch was lost: {error}");
        }
    }
}

#[subscribe]
async fn collect(reading: Reading, State(batcher): State<Batcher>) -> anyhow::Result<()> {
    batcher.push(reading.value).await
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let publisher = Client::connect(examples::config(&broker, "batch-publisher")?).await?;
    let batcher = Batcher::new(publisher.clone(), 4, Duration::from_millis(300));
    let service = App::new(examples::config(&broker, "batching")?).state(batcher).start().await?;

    let client = service.client();
    let mut incoming = client.subscribe::<ReadingBatch>(ReadingBatch::TOPIC).await?;
    for value in 0..10 {
        client.publish(&Reading { value }).await?;
    }
    let mut received = 0;
    while received < 10
        && let Some(Envelope { data, .. }) = incoming.next().await
    {
        received += data.values.len();
        println!("a batch of {}: {:?}", data.values.len(), data.values);
    }

    service.stop().await?;
    publisher.shutdown().await?;
    broker.stop().await?;
    Ok(())
}
