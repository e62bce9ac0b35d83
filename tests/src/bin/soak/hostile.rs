//! Publishers that mean no good. What the broker does to them is its own business.

use std::time::Duration;

use rumqttc::{AsyncClient, MqttOptions, QoS};
use tests::unique_id;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Where they publish: what the service and the client listen to, and what nobody does.
const TOPICS: [&str; 6] =
    ["soak/work/1", "soak/work/2", "soak/done/1", "soak/done/2", "soak/flood", "soak/nobody"];

/// Lets them begin.
pub fn start(port: u16, seed: u64) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut random = fastrand::Rng::with_seed(seed ^ 0xbad);
        loop {
            attack(port, &mut random).await;
            sleep(Duration::from_millis(random.u64(20..500))).await;
        }
    })
}

async fn attack(port: u16, random: &mut fastrand::Rng) {
    let mut options = MqttOptions::new(unique_id("hostile"), "127.0.0.1", port);
    options.set_max_packet_size(16 << 20, 16 << 20);
    let (client, mut events) = AsyncClient::new(options, 10_000);
    let pump = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let topic = TOPICS[random.usize(..TOPICS.len())];
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][random.usize(..3)];
    // What cannot be published is not.
    match random.u8(..7) {
        0 => {
            let garbage: Vec<u8> = (0..random.usize(..2000)).map(|_| random.u8(..)).collect();
            let _ = client.publish(topic, qos, random.u8(..20) == 0, garbage).await;
        }
        1 => {
            let forged = "\u{1b}]0;x\u{7}\n2026-01-01 ERROR forged \u{202e}".repeat(20);
            let data = format!(r#"{{"number":1,"{forged}":2}}"#);
            let envelope = tests::envelope(&forged, &forged, &data);
            let _ = client.publish(topic, qos, false, envelope).await;
        }
        2 => {
            let topic = format!("{topic}/{}", "x".repeat(random.usize(1..60_000)));
            let _ = client.publish(topic, qos, false, "huge").await;
        }
        3 => {
            let topic = format!("soak{}", "/".repeat(random.usize(1..250)));
            let _ = client.publish(topic, qos, false, "deep").await;
        }
        4 => {
            let size = random.usize(1 << 20..3 << 20);
            let _ = client.publish(topic, qos, false, vec![b'{'; size]).await;
        }
        5 => {
            let text = "[".repeat(random.usize(1..20_000));
            let _ = client
                .publish(topic, qos, false, tests::envelope("soak.work.one", "1", &text))
                .await;
        }
        _ => {
            // At QoS 0 it is for the service to drop what it cannot take.
            for number in 0..random.usize(1..5_000) {
                let topic = if number % 10 == 0 { topic } else { "soak/flood" };
                let _ = client.publish(topic, QoS::AtMostOnce, false, vec![b'x'; 100]).await;
            }
        }
    }
    sleep(Duration::from_millis(200)).await;
    pump.abort();
}
