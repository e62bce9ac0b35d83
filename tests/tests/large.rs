//! Messages that are large beside the link, the limits and the memory.

use std::time::Duration;

use rumqttc::{Packet, Publish};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tests::{Mosquitto, Relay, ScriptedServer, Spy, unique_id, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Size {
    bytes: usize,
}

#[subscribe("large")]
async fn measure(payload: Bytes) -> Size {
    tokio::time::sleep(Duration::from_millis(300)).await;
    Size { bytes: payload.len() }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_large_together_are_all_answered() {
    let settings = "allow_anonymous true\nmax_packet_size 70000000\n";
    let Some(broker) = Mosquitto::start_with(settings).await else { return };
    let config = Config::new(broker.url(), unique_id("large")).unwrap().max_packet_size(64 << 20);
    let mut spy = Spy::on(broker.port(), &["size"]).await;
    let service = App::bare(config.clone()).handler::<measure>().start().await.unwrap();
    let sender = config.clone();
    let sender = Config::new(sender.url().to_string(), unique_id("sends"))
        .unwrap()
        .max_packet_size(64 << 20);
    let client = Client::connect(sender).await.unwrap();
    for _ in 0..20 {
        client.message("large").payload(vec![7; 5 << 20]).send().await.unwrap();
    }
    for _ in 0..20 {
        let size = tests::json(&spy.next().await);
        assert_eq!(size["data"]["bytes"], 5 << 20);
    }
    service.stop().await.unwrap();
    client.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_over_a_narrow_link_takes_its_time() {
    let settings = "allow_anonymous true\nmax_packet_size 70000000\n";
    let Some(broker) = Mosquitto::start_with(settings).await else { return };
    let relay = Relay::to(broker.port()).await;
    relay.throttle(200_000);
    let config = Config::new(relay.url(), unique_id("narrow"))
        .unwrap()
        .keep_alive(Duration::from_secs(2))
        .max_packet_size(4 << 20);
    let mut spy = Spy::on(broker.port(), &["large"]).await;
    let client = Client::connect(config).await.unwrap();
    let mut state = client.state();
    state.mark_unchanged();
    let receipt = client.message("large").payload(vec![7; 2_000_000]).send().await.unwrap();
    within("PUBACK", receipt.delivered()).await.unwrap();
    assert_eq!(spy.next().await.payload.len(), 2_000_000);
    assert!(!state.has_changed().unwrap(), "the connection was given up");
    client.shutdown().await.unwrap();
}

#[subscribe("nothing/else")]
async fn nothing() {}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_of_very_many_levels_that_nobody_handles_costs_little() {
    let server = ScriptedServer::start().await;
    let app = App::bare(server.config()).handler::<nothing>();
    let (_service, mut connection) = server.start_service(app).await;
    for (id, topic) in
        [(1, "/".repeat(65_000)), (2, "a/".repeat(32_000)), (3, vec!["b"; 3_000].join("/"))]
    {
        connection.deliver(&topic, "x", id, false).await;
        let mut acknowledged = false;
        let mut unsubscribed = 0;
        while !acknowledged {
            match connection.next().await {
                Some(Packet::PubAck(ack)) => acknowledged = ack.pkid == id,
                Some(Packet::Unsubscribe(unsubscribe)) => {
                    unsubscribed += unsubscribe.topics.iter().map(String::len).sum::<usize>();
                    let answer = rumqttc::UnsubAck::new(unsubscribe.pkid);
                    connection.send(Packet::UnsubAck(answer)).await;
                }
                packet => panic!("{packet:?}"),
            }
        }
        assert!(unsubscribed < 400_000, "{unsubscribed}");
    }
}

/// What one message of a few bytes keeps in memory beside itself.
#[tokio::test(flavor = "multi_thread")]
async fn small_messages_between_large_ones_do_not_keep_the_large_ones_in_memory() {
    let server = ScriptedServer::start().await;
    let config = server.config().max_packet_size(4 << 20);
    let client_config = config.clone();
    let (client, mut connection) =
        tokio::join!(Client::connect(client_config), server.connected(false));
    let client = client.unwrap();
    let (stream, _) = tokio::join!(
        client.subscription::<Size>("small").ack_on_receive().open(),
        connection.subscribe()
    );
    let stream = stream.unwrap();
    let before = resident();
    for id in 1..=200_u16 {
        let large = Publish::new("large", rumqttc::QoS::AtMostOnce, vec![0_u8; 2 << 20]);
        connection.send(Packet::Publish(large)).await;
        connection.deliver("small", "x", id, false).await;
        while !matches!(connection.next().await, Some(Packet::PubAck(ack)) if ack.pkid == id) {}
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
    drop(stream);
}

/// Memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize = status.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}
