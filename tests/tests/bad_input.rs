//! What nobody expects is refused with a reason, acknowledged, and changes nothing else.

use std::sync::{Arc, Mutex};

use rumqttc::{Packet, Publish, QoS, UnsubAck};
use serde::{Deserialize, Serialize};
use tars_mqtt::DeadLetter;
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tests::{Feature, ScriptedServer, Spy, envelope, on_each_broker, on_each_broker_with, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Order {
    id: u32,
    note: Option<String>,
}

#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<u32>>>);

#[subscribe(dead_letter = "dead/order")]
async fn order(order: Order, State(taken): State<Taken>) {
    taken.0.lock().unwrap().push(order.id);
}

/// Every kind of bad payload, with a part of the reason that is given.
fn bad_payloads() -> Vec<(Vec<u8>, &'static str)> {
    let enveloped = |data: &str| envelope("order", "1", data).into_bytes();
    vec![
        (b"hello".to_vec(), "the payload is not an envelope"),
        (Vec::new(), "the payload is empty"),
        (b"null".to_vec(), "the payload is not an envelope"),
        (vec![b'['; 1_000_000], "the payload is not an envelope"),
        (vec![0xff, 0xfe], "the payload is not an envelope"),
        (br#"{"id":"1","type":"order","ts":1,"source":"s"}"#.to_vec(), "missing field `data`"),
        (br#"{"id":"1","ts":1,"source":"s","data":{}}"#.to_vec(), "missing field `type`"),
        (br#"{"type":"order","ts":1,"source":"s","data":{}}"#.to_vec(), "missing field `id`"),
        (
            br#"{"id":"1","type":"order","ts":1,"source":"s","data":{"id":1},"x":1}"#.to_vec(),
            "unknown field `x`",
        ),
        (enveloped("[1]"), "`data` is not an object"),
        (enveloped(r#"{"id":"one"}"#), "invalid type: string"),
        (enveloped("{}"), "missing field `id`"),
        (enveloped(r#"{"id":1,"bogus":2}"#), "unknown field `bogus`"),
        (enveloped(r#"{"id":-1}"#), "invalid value"),
        (envelope("other", "1", r#"{"id":1}"#).into_bytes(), "type `other`, and `order`"),
        (enveloped(r#"{"id":1}"#)[..20].to_vec(), "EOF while parsing"),
    ]
}

#[tokio::test]
async fn bad_payloads_are_refused_with_their_reason_and_the_next_message_is_handled() {
    let taken = Taken::default();
    let app = App::bare(TestApp::config().max_packet_size(2_000_000))
        .handler::<order>()
        .state(taken.clone());
    let app = TestApp::start(app).await.unwrap();
    let bad = bad_payloads();
    for (number, (payload, reason)) in bad.iter().enumerate() {
        app.deliver_message("order", payload.clone()).await;
        let letters = app.published::<DeadLetter>();
        let letter = &letters.last().expect("a dead letter").data;
        assert_eq!(letters.len(), number + 1);
        assert!(letter.reason.contains(reason), "{reason}: {}", letter.reason);
        assert_eq!(letter.attempts, 1, "never retried");
        app.deliver(&Order { id: u32::try_from(number).unwrap(), note: None }).await;
    }
    assert_eq!(taken.0.lock().unwrap().len(), bad.len());
    app.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_between_good_messages_harms_nobody_on_a_real_broker() {
    on_each_broker(|broker| async move {
        let taken = Taken::default();
        let service = App::bare(broker.config("garbage"))
            .handler::<order>()
            .state(taken.clone())
            .start()
            .await
            .unwrap();
        let mut spy = Spy::on(broker.port(), &["dead/order"]).await;
        let qos = if broker.claims(Feature::Qos2) { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        let mut count = 0;
        for (payload, _) in bad_payloads() {
            spy.publish("order", envelope("order", &count.to_string(), r#"{"id":7}"#)).await;
            if payload.len() < 100_000 {
                spy.publish_as("order", payload, qos, false).await;
                count += 1;
            }
        }
        for _ in 0..count {
            spy.next().await;
        }
        tests::eventually("the good ones are handled", || {
            taken.0.lock().unwrap().len() == bad_payloads().len()
        })
        .await;
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_at_all_is_acknowledged_on_the_same_connection() {
    let server = ScriptedServer::start().await;
    let taken = Taken::default();
    let config = server.config().max_packet_size(2000);
    let starting = App::bare(config).handler::<order>().state(taken.clone()).start();
    let (service, mut connection) = tokio::join!(starting, async {
        let mut connection = server.connected(false).await;
        connection.subscribe().await;
        connection
    });
    let service = service.unwrap();

    // A topic that is not UTF-8: section 1.5.3.
    connection.send_bytes(&[0x32, 6, 0, 2, b'a', 0xff, 0, 1]).await;
    assert_eq!(connection.puback().await, 1);

    // A packet over the limit.
    let mut large = Publish::new("order", QoS::AtLeastOnce, vec![b'x'; 5000]);
    large.pkid = 2;
    connection.send(Packet::Publish(large)).await;
    assert_eq!(connection.puback().await, 2);

    // A topic that nobody handles, retained, at a QoS that nobody asked for.
    let mut stray = Publish::new("stray/topic", QoS::ExactlyOnce, "x");
    stray.pkid = 3;
    stray.retain = true;
    connection.send(Packet::Publish(stray)).await;
    let mut answers = vec![connection.next().await.unwrap(), connection.next().await.unwrap()];
    answers.sort_by_key(|packet| matches!(packet, Packet::Unsubscribe(_)));
    assert!(matches!(&answers[0], Packet::PubRec(received) if received.pkid == 3), "{answers:?}");
    let Packet::Unsubscribe(unsubscribe) = &answers[1] else { panic!("{answers:?}") };
    assert!(unsubscribe.topics.contains(&"stray/topic".to_owned()));
    assert!(unsubscribe.topics.contains(&"stray/#".to_owned()));
    assert!(!unsubscribe.topics.contains(&"order".to_owned()));

    connection.deliver("order", &envelope("order", "1", r#"{"id":9}"#), 4, false).await;
    assert_eq!(connection.puback().await, 4);
    assert_eq!(*taken.0.lock().unwrap(), [9]);

    let goodbye = tokio::spawn(service.stop());
    assert!(matches!(connection.next().await, Some(Packet::Disconnect)));
    goodbye.await.unwrap().unwrap();
}

#[tokio::test]
async fn every_one_of_many_filters_that_an_earlier_version_left_is_unsubscribed() {
    let server = ScriptedServer::start().await;
    let starting = App::bare(server.config()).handler::<order>().state(Taken::default()).start();
    let (service, mut connection) = tokio::join!(starting, async {
        let mut connection = server.connected(true).await;
        connection.subscribe().await;
        connection
    });
    let service = service.unwrap();
    for id in 1..=40 {
        let topic = format!("left-{id}");
        connection.deliver(&topic, "x", id, false).await;
        let mut answers = vec![connection.next().await.unwrap(), connection.next().await.unwrap()];
        answers.sort_by_key(|packet| matches!(packet, Packet::Unsubscribe(_)));
        assert!(matches!(&answers[0], Packet::PubAck(ack) if ack.pkid == id), "{answers:?}");
        let Packet::Unsubscribe(unsubscribe) = &answers[1] else { panic!("{answers:?}") };
        assert!(unsubscribe.topics.contains(&topic), "{topic}: {:?}", unsubscribe.topics);
        // What comes before the answer brings no second request.
        connection.deliver(&topic, "x", 50, false).await;
        assert_eq!(connection.puback().await, 50);
        connection.send(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid))).await;
    }
    drop(connection);
    drop(service);
}

/// What mosquitto or the embedded broker would close the connection for, and what only looks so.
fn odd_texts() -> Vec<String> {
    let odd = [
        "",
        "/",
        "#",
        "a/+/b",
        "$share/g/x",
        "$share",
        "$shared/a",
        "$share//x",
        "$SYS/x",
        "$",
        "\0",
        "\u{feff}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{fdd0}",
        "\u{10ffff}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{2028}",
        "\u{202e}",
        "\u{e000}",
        "\u{d7ff}",
        "\u{e0001}",
        " ",
        "\t",
        "\r\n",
        "{a}",
        "}{",
        "%2f",
        "a/../b",
        "\u{1f600}",
    ];
    let long = [4_096, 4_097, 65_535, 65_536].map(|length| "x".repeat(length));
    let deep = [199, 200, 201].map(|levels| vec!["a"; levels].join("/"));
    odd.into_iter().map(str::to_owned).chain(long).chain(deep).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_topic_and_no_filter_whatever_its_characters_costs_the_connection() {
    on_each_broker_with(&[Feature::AnyTopic], |broker| async move {
        let client = Client::connect(broker.config("odd")).await.unwrap();
        let mut traffic = client.rumqttc().watch();
        for text in odd_texts() {
            let shown: String = text.chars().take(20).collect();
            // Taken or refused to its caller, whichever is right.
            if let Ok(receipt) = client.message(text.clone()).send().await {
                within(format!("PUBACK of {shown:?}"), receipt.delivered()).await.unwrap();
            }
            let subscription = client.subscription::<tars_mqtt::HealthStatus>(text);
            drop(within(format!("SUBACK of {shown:?}"), subscription.open()).await);
            while let Ok(seen) = traffic.try_recv() {
                let is_connect = matches!(seen.packet, Packet::Connect(_) | Packet::ConnAck(_));
                assert!(!is_connect, "{shown:?} costs the connection");
            }
        }
        client.shutdown().await.unwrap();
    })
    .await;
}
