//! The batcher acknowledges nothing that it may still lose.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tests::{LIMIT, Mosquitto, Process, Program, Spy, json, unique_id};

const READINGS: u32 = 2000;

#[derive(Serialize, Deserialize, Event)]
struct Reading {
    value: u32,
}

fn batcher(url: &str, id: &str) -> Process {
    Program::new(env!("CARGO_BIN_EXE_batching"))
        .env("MQTT_URL", url)
        .env("MQTT_CLIENT_ID", id)
        .env("MQTT_ENABLE_HEALTH", "true")
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_batcher_is_killed_again_and_again() {
    let Some(broker) = Mosquitto::start().await else { return };
    let id = unique_id("batching");
    let mut service = batcher(&broker.url(), &id);
    // Before the broker has its session there is nothing to lose.
    Spy::on(broker.port(), &[&format!("system/health/{id}")]).await.next().await;
    let mut spy = Spy::on(broker.port(), &["reading/batch"]).await;
    let config = Config::new(broker.url(), unique_id("readings")).unwrap();
    let client = Client::connect(config).await.unwrap();
    let publishing = tokio::spawn(async move {
        let mut receipts = Vec::new();
        for value in 0..READINGS {
            receipts.push(client.publish(&Reading { value }).await.unwrap());
        }
        for receipt in receipts {
            receipt.delivered().await.unwrap();
        }
    });
    let mut stored = BTreeSet::new();
    let (mut kills, mut next_kill) = (0, 20);
    let mut progress = Instant::now();
    while stored.len() < READINGS as usize {
        if let Ok(batch) = tokio::time::timeout(Duration::from_millis(100), spy.next()).await {
            let batch = json(&batch);
            let values = batch["data"]["values"].as_array().unwrap();
            let before = stored.len();
            stored.extend(values.iter().map(|value| value.as_u64().unwrap()));
            if stored.len() > before {
                progress = Instant::now();
            }
        }
        if stored.len() >= next_kill && kills < 20 {
            service.kill();
            service = batcher(&broker.url(), &id);
            kills += 1;
            next_kill = stored.len() + 40;
        }
        assert!(progress.elapsed() < LIMIT, "{} of {READINGS} stored", stored.len());
    }
    publishing.await.unwrap();
    assert_eq!(kills, 20);
}
