//! What is promised about messages that go out.

use std::collections::HashSet;
use std::time::Duration;

use rumqttc::{Packet, PubAck, PubComp, PubRec, Publish};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Error, Receipt};
use tests::{Connection, Relay, ScriptedServer, Spy, json, on_each_broker, unique_id, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Item {
    number: u64,
}

fn number(publish: &Publish) -> u64 {
    json(publish)["data"]["number"].as_u64().unwrap()
}

async fn connect(server: &ScriptedServer) -> (Client, Connection) {
    let (client, connection) =
        tokio::join!(Client::connect(server.config()), server.connected(false));
    (client.unwrap(), connection)
}

async fn publish_all(client: &Client, numbers: std::ops::Range<u64>) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for number in numbers {
        receipts.push(client.publish(&Item { number }).await.unwrap());
    }
    receipts
}

async fn all_delivered(receipts: Vec<Receipt>) {
    for receipt in receipts {
        within("an acknowledgement", receipt.delivered()).await.unwrap();
    }
}

fn puback(publish: &Publish) -> Packet {
    Packet::PubAck(PubAck::new(publish.pkid))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_is_sent_again_as_a_duplicate_when_the_session_is_kept() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let receipts = publish_all(&client, 0..60).await;
    let mut first = Vec::new();
    for _ in 0..60 {
        first.push(connection.publish().await);
    }
    connection.send(puback(&first[10])).await;
    drop(connection);

    let mut connection = server.connected(true).await;
    for (index, before) in first.iter().enumerate().filter(|(index, _)| *index != 10) {
        let again = connection.publish().await;
        assert!(again.dup, "{index}");
        assert_eq!((again.pkid, &again.payload), (before.pkid, &before.payload));
        connection.send(puback(&again)).await;
    }
    all_delivered(receipts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_sent_anew_and_in_order_when_the_session_is_lost() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let receipts = publish_all(&client, 0..60).await;
    for _ in 0..20 {
        connection.publish().await;
    }
    drop(connection);

    for lost in [true, false] {
        let mut connection = server.connected(false).await;
        for expected in 0..60 {
            let publish = connection.publish().await;
            assert!(!publish.dup);
            assert_eq!(number(&publish), expected);
            if !lost {
                connection.send(puback(&publish)).await;
            }
        }
        if !lost {
            all_delivered(receipts).await;
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_withheld_acknowledgement_stops_nothing_and_its_identifier_is_not_reused() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let publishing = tokio::spawn(async move { publish_all(&client, 0..70_000).await });
    let withheld = connection.publish().await;
    for expected in 1..70_000 {
        // On a busy machine it takes long enough for a look whether the broker goes on.
        let publish = loop {
            match connection.next().await {
                Some(Packet::Publish(publish)) => break publish,
                Some(Packet::PingReq) => connection.send(Packet::PingResp).await,
                other => panic!("{other:?} instead of PUBLISH"),
            }
        };
        assert_eq!(number(&publish), expected);
        assert_ne!(publish.pkid, withheld.pkid);
        connection.send(puback(&publish)).await;
    }
    connection.send(puback(&withheld)).await;
    all_delivered(within("all accepted", publishing).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_out_of_order_and_for_nothing_are_taken_calmly() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let receipts = publish_all(&client, 0..100).await;
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.push(connection.publish().await);
    }
    connection.send(Packet::PubAck(PubAck::new(30_000))).await;
    connection.send(Packet::PubComp(PubComp::new(30_001))).await;
    for publish in sent.iter().rev() {
        connection.send(puback(publish)).await;
        connection.send(puback(publish)).await;
    }
    all_delivered(receipts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qos_2_message_goes_through_its_two_steps_over_lost_connections() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let receipt = client.message("twice").qos(QoS::ExactlyOnce).send().await.unwrap();
    let first = connection.publish().await;
    drop(connection);
    let mut connection = server.connected(true).await;
    let again = connection.publish().await;
    assert!(again.dup && again.pkid == first.pkid);
    connection.send(Packet::PubRec(PubRec::new(again.pkid))).await;
    assert!(matches!(connection.next().await, Some(Packet::PubRel(rel)) if rel.pkid == first.pkid));
    drop(connection);
    // Not the message again, but its release.
    let mut connection = server.connected(true).await;
    assert!(matches!(connection.next().await, Some(Packet::PubRel(rel)) if rel.pkid == first.pkid));
    // Its identifier is in use until the last step.
    let other = client.message("other").send().await.unwrap();
    let publish = connection.publish().await;
    assert_ne!(publish.pkid, first.pkid);
    connection.send(puback(&publish)).await;
    within("the other", other.delivered()).await.unwrap();
    connection.send(Packet::PubComp(PubComp::new(first.pkid))).await;
    within("the end", receipt.delivered()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_queued_during_an_outage_arrive_in_order() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        let config = Config::new(relay.url(), unique_id("outage"))
            .unwrap()
            .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
        let client = Client::connect(config).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["item"]).await;
        for count in [64, 1_000, 10_000] {
            let mut state = client.state();
            relay.close();
            within("the loss", state.wait_for(|state| *state != ConnectionState::Connected))
                .await
                .unwrap();
            let publisher = client.clone();
            let publishing = tokio::spawn(async move { publish_all(&publisher, 0..count).await });
            if count <= 1_000 {
                // They fit into the outbox: accepted with no broker in sight.
                all_accepted(&publishing).await;
            }
            relay.open();
            for expected in 0..count {
                assert_eq!(number(&spy.next().await), expected);
            }
            all_delivered(publishing.await.unwrap()).await;
        }
        client.shutdown().await.unwrap();
    })
    .await;
}

async fn all_accepted(publishing: &tokio::task::JoinHandle<Vec<Receipt>>) {
    tests::eventually("all are accepted", || publishing.is_finished()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_while_the_link_is_cut_again_and_again() {
    on_each_broker(|broker| async move {
        let relay = std::sync::Arc::new(Relay::to(broker.port()).await);
        let config = Config::new(relay.url(), unique_id("cut"))
            .unwrap()
            .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
        let client = Client::connect(config).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["item"]).await;
        let cutter = relay.clone();
        let cutting = tokio::spawn(async move {
            for _ in 0..15 {
                tokio::time::sleep(Duration::from_millis(200)).await;
                cutter.cut();
            }
        });
        let receipts = publish_all(&client, 0..5_000).await;
        let mut missing: HashSet<u64> = (0..5_000).collect();
        while !missing.is_empty() {
            missing.remove(&number(&spy.next().await));
        }
        all_delivered(receipts).await;
        cutting.await.unwrap();
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_is_dropped_takes_nothing_with_it() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    drop(client.publish(&Item { number: 1 }).await.unwrap());
    let publish = connection.publish().await;
    connection.send(puback(&publish)).await;
    drop(publish_all(&client, 2..3).await);
    assert_eq!(number(&connection.publish().await), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_at_the_end_is_said_to_be() {
    let server = ScriptedServer::start().await;
    let config = server.config().shutdown_timeout(Duration::from_millis(500));
    let (client, mut connection) = tokio::join!(Client::connect(config), server.connected(false));
    let client = client.unwrap();
    let receipt = client.publish(&Item { number: 1 }).await.unwrap();
    connection.publish().await;
    let outcome = within("the shutdown", client.shutdown()).await;
    assert!(matches!(outcome, Err(Error::Timeout(_))), "{outcome:?}");
    assert!(matches!(receipt.delivered().await, Err(Error::Stopped)));
}
