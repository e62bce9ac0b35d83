//! An extension by composition: a batcher that collects readings and publishes them together, as
//! soon as there are enough of them or the first one has waited long enough. It is an ordinary
//! value that wraps a client; handlers take it as state. A reading is acknowledged only once the
//! broker has the batch that it is in: whatever happens to the process, none is lost.
//!
//! ```sh
//! cargo run --bin batching                                              # shows how it goes
//! MQTT_URL=mqtt://host MQTT_CLIENT_ID=batching cargo run --bin batching  # as a service
//! ```

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tokio::sync::{mpsc, oneshot};
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
struct Batcher(mpsc::Sender<Item>);

/// A value, and who waits until the batch with it is stored.
type Item = (u32, oneshot::Sender<()>);

impl Batcher {
    /// Batches of up to `size` values, none of which waits longer than `patience`.
    fn new(client: Client, size: usize, patience: Duration) -> Self {
        let (sender, receiver) = mpsc::channel(size);
        tokio::spawn(publish_batches(client, receiver, size, patience));
        Self(sender)
    }

    /// Returns once the batch with this value is stored.
    async fn push(&self, value: u32) -> anyhow::Result<()> {
        let (stored, when_stored) = oneshot::channel();
        self.0.send((value, stored)).await?;
        when_stored.await.context("the batch could not be stored")
    }
}

async fn publish_batches(
    client: Client,
    mut items: mpsc::Receiver<Item>,
    size: usize,
    patience: Duration,
) {
    while let Some(first) = items.recv().await {
        let mut batch = vec![first];
        let fill = async {
            while batch.len() < size
                && let Some(item) = items.recv().await
            {
                batch.push(item);
            }
        };
        // A batch that is not full in time goes out as it is.
        let _ = timeout(patience, fill).await;
        let (values, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match store(&client, ReadingBatch { values }).await {
            Ok(()) => {
                for stored in waiting {
                    // Whoever has given up waiting tries again.
                    let _ = stored.send(());
                }
            }
            Err(error) => eprintln!("a batch could not be stored: {error}"),
        }
    }
}

/// Returns once the broker has it: before that, the process may end and nothing would be stored.
async fn store(client: &Client, batch: ReadingBatch) -> tars_mqtt::Result<()> {
    client.publish(&batch).await?.delivered().await?;
    Ok(())
}

// So many wait at once that a batch can be full. What fails comes again.
#[subscribe(concurrency = 4, timeout = "off", retry = 1000)]
async fn collect(reading: Reading, State(batcher): State<Batcher>) -> anyhow::Result<()> {
    batcher.push(reading.value).await
}

/// How many values a batch has, and how long the first of them waits for the others.
const SIZE: usize = 4;
const PATIENCE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if std::env::var_os("MQTT_URL").is_some() { serve().await } else { show().await }
}

/// Batches the readings on a broker, until it is told to stop.
async fn serve() -> anyhow::Result<()> {
    let config = Config::from_env()?;
    // A client of its own, which outlives the handlers that wait for what it publishes.
    let id = format!("{}-publisher", config.client_id());
    let publisher = Client::connect(Config::new(std::env::var("MQTT_URL")?, id)?).await?;
    let batcher = Batcher::new(publisher.clone(), SIZE, PATIENCE);
    App::new(config).state(batcher).run().await?;
    publisher.shutdown().await?;
    Ok(())
}

/// Batches ten readings on a broker of its own.
async fn show() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let publisher = Client::connect(examples::config(&broker, "batch-publisher")?).await?;
    let batcher = Batcher::new(publisher.clone(), SIZE, PATIENCE);
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
        // Handlers that run at once leave their values in no order.
        let mut values = data.values;
        values.sort_unstable();
        received += values.len();
        println!("a batch of {}: {values:?}", values.len());
    }

    service.stop().await?;
    publisher.shutdown().await?;
    broker.stop().await?;
    Ok(())
}
