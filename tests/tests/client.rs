//! The client by itself, without handlers.

use std::time::Duration;

use rumqttc::Packet;
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Direction, Error};
use tests::{
    Feature, Relay, ScriptedServer, Spy, envelope, eventually, json, on_each_broker,
    on_each_broker_with, within,
};

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room}/temperature", retain)]
struct Temperature {
    room: String,
    celsius: f64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Ping {
    number: u32,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Pong {
    number: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event(bare, qos = 0)]
struct Plain {
    x: i32,
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_published_on_their_topic_and_messages_on_any() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("publish")).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["sensors/#", "other/#", "plain", "raw"]).await;
        let reading = Temperature { room: "kitchen".into(), celsius: 20.5 };
        client.publish(&reading).await.unwrap().delivered().await.unwrap();
        let seen = spy.next().await;
        assert_eq!(seen.topic, "sensors/kitchen/temperature");
        let envelope = json(&seen);
        assert_eq!(envelope["type"], "temperature");
        assert_eq!(envelope["data"], serde_json::json!({"room": "kitchen", "celsius": 20.5}));
        assert!(envelope["source"].as_str().unwrap().starts_with("publish"));

        client
            .event(&reading)
            .topic("other/topic")
            .correlate("42")
            .retain(false)
            .send()
            .await
            .unwrap();
        let seen = spy.next().await;
        assert_eq!((seen.topic.as_str(), &json(&seen)["id"]), ("other/topic", &"42".into()));

        client.publish(&Plain { x: 1 }).await.unwrap().delivered().await.unwrap();
        assert_eq!(&spy.next_on("plain").await.payload[..], br#"{"x":1}"#);

        let sent = client.message("raw").payload(vec![0, 255]).send();
        sent.await.unwrap().delivered().await.unwrap();
        assert_eq!(&spy.next().await.payload[..], [0, 255]);
        forget(&client, "sensors/kitchen/temperature").await;
        client.shutdown().await.unwrap();
    })
    .await;
}

/// Leaves nothing retained to the tests that follow on the same broker.
async fn forget(client: &Client, topic: &str) {
    client.message(topic).retain(true).send().await.unwrap().delivered().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_at_qos_2_arrives_once_and_its_receipt_says_so() {
    on_each_broker_with(&[Feature::Qos2], |broker| async move {
        let client = Client::connect(broker.config("twice")).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["raw"]).await;
        for number in 0..10 {
            let sent = client.message("raw").payload(vec![number]).qos(QoS::ExactlyOnce).send();
            sent.await.unwrap().delivered().await.unwrap();
            let seen = spy.next().await;
            assert_eq!((&seen.payload[..], seen.qos), (&[number][..], rumqttc::QoS::ExactlyOnce));
        }
        assert!(spy.rest().is_empty());
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_is_refused_to_its_caller_and_the_connection_goes_on() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("refuse").max_packet_size(2000)).await.unwrap();
        let too_large = client.message("big").payload(vec![0; 3000]).send().await;
        assert!(matches!(too_large, Err(Error::TooLarge { limit: 2000, .. })), "{too_large:?}");
        let wild = client.message("a/+").send().await;
        assert!(matches!(wild, Err(Error::Topic { .. })), "{wild:?}");
        let field = client.publish(&Temperature { room: "a/b".into(), celsius: 0.0 }).await;
        assert!(matches!(field, Err(Error::TopicField { field: "room", .. })), "{field:?}");
        client.publish(&Ping { number: 1 }).await.unwrap().delivered().await.unwrap();
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_a_stream_that_passes_over_what_does_not_decode() {
    on_each_broker_with(&[Feature::RetainedForWildcards], |broker| async move {
        let client = Client::connect(broker.config("subscribe")).await.unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        let kept = envelope("temperature", "0", r#"{"room":"cellar","celsius":1.0}"#);
        spy.publish_as("sensors/cellar/temperature", kept, rumqttc::QoS::AtLeastOnce, true).await;
        let mut readings =
            client.subscribe::<Temperature>("sensors/{room}/temperature").await.unwrap();
        let first = within("what was retained", readings.next()).await.unwrap();
        assert_eq!(first.data.room, "cellar");
        spy.publish("sensors/kitchen/temperature", "garbage").await;
        let good = envelope("temperature", "1", r#"{"room":"kitchen","celsius":2.0}"#);
        spy.publish("sensors/kitchen/temperature", good).await;
        let next = within("the good one", readings.next()).await.unwrap();
        assert_eq!((next.id.as_str(), next.data.celsius), ("1", 2.0));
        forget(&client, "sensors/cellar/temperature").await;
        client.shutdown().await.unwrap();
        assert!(within("the end of the stream", readings.next()).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_of_a_stream_is_acknowledged_when_the_next_one_is_asked_for() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) =
        tokio::join!(Client::connect(server.config()), server.connected(false));
    let client = client.unwrap();
    let (stream, ()) = tokio::join!(client.subscribe::<Ping>("ping"), async {
        connection.subscribe().await;
    });
    let mut stream = stream.unwrap();
    for id in [1, 2] {
        let data = format!(r#"{{"number":{id}}}"#);
        connection.deliver("ping", &envelope("ping", "x", &data), id, false).await;
    }
    assert_eq!(stream.next().await.unwrap().data.number, 1);
    // Proves that nothing has been acknowledged: an answer would stand before this one.
    client.rumqttc().send(Packet::PingReq).await.unwrap();
    assert!(matches!(connection.next().await, Some(Packet::PingReq)));
    assert_eq!(stream.next().await.unwrap().data.number, 2);
    assert_eq!(connection.puback().await, 1);
    drop(stream);
    let rest = [connection.next().await.unwrap(), connection.next().await.unwrap()];
    assert!(
        rest.iter().any(|packet| matches!(packet, Packet::PubAck(ack) if ack.pkid == 2)),
        "{rest:?}"
    );
    assert!(rest.iter().any(|packet| matches!(packet, Packet::Unsubscribe(_))), "{rest:?}");
}

#[subscribe]
async fn pong(ping: Ping) -> Option<Pong> {
    (ping.number > 0).then_some(Pong { number: ping.number })
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_find_their_answers_and_a_missing_one_is_a_timeout() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("pong")).handler::<pong>().start().await.unwrap();
        let client = Client::connect(broker.config("ping")).await.unwrap();
        let mut asked = Vec::new();
        for number in 1..=50 {
            let client = client.clone();
            asked.push(tokio::spawn(async move {
                let answer: Envelope<Pong> = client.request(&Ping { number }).await?;
                Ok::<_, Error>((number, answer.data.number))
            }));
        }
        for asked in asked {
            let (number, answer) = asked.await.unwrap().unwrap();
            assert_eq!(number, answer);
        }
        let limit = Duration::from_millis(200);
        let ping = Ping { number: 0 };
        let unanswered = client.request::<_, Pong>(&ping).timeout(limit).await;
        assert!(matches!(unanswered, Err(Error::Timeout(found)) if found == limit));
        client.shutdown().await.unwrap();
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_connection_qos_0_is_refused_and_qos_1_waits() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        let config = Config::new(relay.url(), tests::unique_id("outage")).unwrap();
        let config = config.reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
        let client = Client::connect(config).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["ping"]).await;
        let mut state = client.state();
        relay.close();
        within("the loss", state.wait_for(|state| *state == ConnectionState::Disconnected))
            .await
            .unwrap();
        let refused = client.publish(&Plain { x: 1 }).await;
        assert!(matches!(refused, Err(Error::Disconnected)), "{refused:?}");
        let mut receipts = Vec::new();
        for number in 0..100 {
            receipts.push(client.publish(&Ping { number }).await.unwrap());
        }
        relay.open();
        for receipt in receipts {
            within("the acknowledgement", receipt.delivered()).await.unwrap();
        }
        for number in 0..100 {
            assert_eq!(json(&spy.next().await)["data"]["number"], number);
        }
        client.shutdown().await.unwrap();
        assert_eq!(*client.state().borrow(), ConnectionState::Stopped);
        assert!(matches!(client.publish(&Ping { number: 0 }).await, Err(Error::Stopped)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publish_timeout_ends_the_wait_for_an_acknowledgement() {
    let server = ScriptedServer::start().await;
    let config = server.config().publish_timeout(Some(Duration::from_millis(200)));
    let (client, mut connection) = tokio::join!(Client::connect(config), server.connected(false));
    let client = client.unwrap();
    let receipt = client.publish(&Ping { number: 1 }).await.unwrap();
    let sent = connection.publish().await;
    assert!(matches!(within("the end", receipt.delivered()).await, Err(Error::Timeout(_))));
    let next = client.publish(&Ping { number: 2 }).await.unwrap();
    let second = connection.publish().await;
    assert_ne!(second.pkid, sent.pkid, "the identifier of the first is still in use");
    connection.send(Packet::PubAck(rumqttc::PubAck::new(second.pkid))).await;
    within("the acknowledgement", next.delivered()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transport_shows_all_packets_but_no_password_and_sends_any() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("tap")).await.unwrap();
        let transport = client.rumqttc();
        let mut traffic = transport.watch();
        let mut subscribe = rumqttc::Subscribe::new("tapped", rumqttc::QoS::AtMostOnce);
        subscribe.pkid = 40_000;
        transport.send(Packet::Subscribe(subscribe)).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let traffic = within("traffic", traffic.recv()).await.unwrap();
            seen.push((traffic.direction, traffic.packet));
        }
        assert!(matches!(&seen[0], (Direction::Outgoing, Packet::Subscribe(_))), "{seen:?}");
        assert!(
            matches!(&seen[1], (Direction::Incoming, Packet::SubAck(ack)) if ack.pkid == 40_000),
            "{seen:?}"
        );
        let is_echo = |traffic: &tars_mqtt::Traffic| {
            traffic.direction == Direction::Incoming
                && matches!(&traffic.packet, Packet::Publish(publish) if publish.topic == "tapped")
        };
        // More than once: what the program subscribes to itself is not taken for a leftover.
        for _ in 0..3 {
            client.message("tapped").payload("x").send().await.unwrap();
            while !is_echo(&within("the echo", traffic.recv()).await.unwrap()) {}
        }
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_connected_only_when_the_broker_has_agreed() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("state")).await.unwrap();
        let state = client.state();
        assert_eq!(*state.borrow(), ConnectionState::Connected);
        client.shutdown().await.unwrap();
        eventually("it has stopped", || *state.borrow() == ConnectionState::Stopped).await;
    })
    .await;
}
