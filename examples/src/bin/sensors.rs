//! Topic parameters, state and wildcards: rooms report temperatures, one handler keeps the latest
//! of each room, another one counts every message below `sensors`.
//!
//! ```sh
//! cargo run --bin sensors
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room}/temperature", retain)]
struct Temperature {
    room: String,
    celsius: f64,
}

#[derive(Clone, Default)]
struct Latest(Arc<Mutex<BTreeMap<String, f64>>>);

#[derive(Clone, Default)]
struct Seen(Arc<AtomicU64>);

#[subscribe("sensors/{room}/temperature", qos = 1)]
async fn remember(room: String, State(latest): State<Latest>, reading: Temperature) {
    println!("{room}: {} °C", reading.celsius);
    latest.0.lock().unwrap_or_else(PoisonError::into_inner).insert(room, reading.celsius);
}

#[subscribe("sensors/{path..}")]
async fn count(path: String, State(seen): State<Seen>, payload: Bytes) {
    let number = seen.0.fetch_add(1, Ordering::Relaxed) + 1;
    println!("message {number}: {path} with {} bytes", payload.len());
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let (latest, seen) = (Latest::default(), Seen::default());
    let service = App::new(examples::config(&broker, "sensors")?)
        .state(latest.clone())
        .state(seen)
        .start()
        .await?;

    let client = service.client();
    for (room, celsius) in [("kitchen", 21.5), ("cellar", 12.0), ("kitchen", 22.0)] {
        let reading = Temperature { room: room.to_owned(), celsius };
        client.publish(&reading).await?.delivered().await?;
    }

    // Stopping lets the handlers finish first.
    service.stop().await?;
    println!("latest: {:?}", latest.0.lock().unwrap_or_else(PoisonError::into_inner));
    broker.stop().await?;
    Ok(())
}
