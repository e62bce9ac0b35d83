//! Topic parameters, state and wildcards: rooms report temperatures, one handler keeps the latest
//! of each room, another one counts every message below `sensors`.
//!
//! ```sh
//! cargo run --bin sensors
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tokio::sync::watch;

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room}/temperature", retain)]
struct Temperature {
    room: String,
    celsius: f64,
}

#[derive(Clone, Default)]
struct Latest(Arc<Mutex<BTreeMap<String, f64>>>);

/// How many messages there were; can be waited for.
#[derive(Clone, Default)]
struct Seen(Arc<watch::Sender<usize>>);

#[subscribe("sensors/{room}/temperature", qos = 1)]
async fn remember(room: String, State(latest): State<Latest>, reading: Temperature) {
    println!("{room}: {} °C", reading.celsius);
    latest.0.lock().unwrap_or_else(PoisonError::into_inner).insert(room, reading.celsius);
}

#[subscribe("sensors/{path..}")]
async fn count(path: String, State(seen): State<Seen>, payload: Bytes) {
    println!("{path}: {} bytes", payload.len());
    seen.0.send_modify(|count| *count += 1);
}

/// What thermometers do: they publish, and listen to nobody.
async fn report(client: &Client, readings: &[(&str, f64)]) -> tars_mqtt::Result<()> {
    for &(room, celsius) in readings {
        client.publish(&Temperature { room: room.to_owned(), celsius }).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let broker = examples::broker().await?;
    let (latest, seen) = (Latest::default(), Seen::default());
    let service = App::new(examples::config(&broker, "sensors")?)
        .state(latest.clone())
        .state(seen.clone())
        .start()
        .await?;

    let readings = [("kitchen", 21.5), ("cellar", 12.0), ("kitchen", 22.0)];
    report(&service.client(), &readings).await?;
    let count = *seen.0.subscribe().wait_for(|count| *count == readings.len()).await?;

    // Stopping lets the handlers finish first.
    service.stop().await?;
    println!(
        "{count} messages, latest: {:?}",
        latest.0.lock().unwrap_or_else(PoisonError::into_inner)
    );
    broker.stop().await?;
    Ok(())
}
