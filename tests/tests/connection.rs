//! What is promised about the connection: never deaf, never falsely healthy.

use std::time::Duration;

use futures_util::FutureExt as _;
use rumqttc::{ConnAck, ConnectReturnCode, Packet, PubAck, SubAck, SubscribeReasonCode};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Error, Refusal};
use tests::{
    Connection, Feature, Logs, Relay, ScriptedServer, Spy, eventually, json, on_each_broker,
    on_each_broker_with, unique_id, within,
};

#[subscribe("one")]
async fn one(_payload: Bytes) {}

#[subscribe("two/{rest..}")]
async fn two(rest: String) {
    drop(rest);
}

#[subscribe("two/covered")]
async fn covered(_payload: Bytes) {}

fn app(config: Config) -> App {
    App::bare(config).handler::<one>().handler::<two>().handler::<covered>()
}

async fn filters(connection: &mut Connection) -> Vec<String> {
    let subscribe = connection.subscribe().await;
    subscribe.filters.into_iter().map(|filter| filter.path).collect()
}

#[subscribe("cut/short", qos = 1)]
async fn cut_short() {}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_sent_again_only_when_the_broker_has_lost_the_session() {
    let server = ScriptedServer::start().await;
    let config = server.config().health(true);
    let (service, mut connection) = tokio::join!(app(config).start(), async {
        // A session that an earlier process left may lack a filter.
        let mut connection = server.connected(true).await;
        assert_eq!(filters(&mut connection).await, ["one", "two/#"]);
        connection
    });
    let service = service.unwrap();
    assert_eq!(event(&mut connection).await, "ready");
    drop(connection);

    let mut connection = server.connected(true).await;
    assert_eq!(event(&mut connection).await, "reconnected");
    drop(connection);

    let mut connection = server.connected(false).await;
    assert_eq!(filters(&mut connection).await, ["one", "two/#"]);
    assert_eq!(event(&mut connection).await, "reconnected");
    drop(service);
}

/// What the next message says of the service's health.
async fn event(connection: &mut Connection) -> String {
    let publish = connection.publish().await;
    assert!(publish.topic.starts_with("system/health/"));
    let ack = rumqttc::PubAck::new(publish.pkid);
    connection.send(Packet::PubAck(ack)).await;
    json(&publish)["data"]["event"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_subscription_is_an_error_that_names_the_handler() {
    let server = ScriptedServer::start().await;
    let starting = tokio::spawn(app(server.config()).start());
    let mut connection = server.connected(false).await;
    let Some(Packet::Subscribe(subscribe)) = connection.next().await else { panic!() };
    let granted =
        vec![SubscribeReasonCode::Failure, SubscribeReasonCode::Success(rumqttc::QoS::AtLeastOnce)];
    connection.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted))).await;
    let Err(error) = within("the end", starting).await.unwrap() else { panic!("it started") };
    assert!(matches!(&error, Error::SubscriptionRefused { filter, .. } if filter == "one"));
    let text = error.to_string();
    assert!(text.contains("::one") && text.contains("connection.rs:"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_refused_later_is_told_in_health_and_log() {
    let logs = Logs::of_this_process();
    let server = ScriptedServer::start().await;
    let (service, mut connection) =
        tokio::join!(app(server.config().health(true)).start(), async {
            let mut connection = server.connected(false).await;
            filters(&mut connection).await;
            connection
        });
    let service = service.unwrap();
    assert_eq!(event(&mut connection).await, "ready");
    drop(connection);
    let mut connection = server.connected(false).await;
    let Some(Packet::Subscribe(subscribe)) = connection.next().await else { panic!() };
    let granted = vec![SubscribeReasonCode::Failure; 2];
    connection.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted))).await;
    let status = json(&connection.publish().await);
    assert_eq!(status["data"]["ok"], false);
    assert!(status["data"]["err"].as_str().unwrap().contains("::one"), "{status}");
    assert!(logs.contain(&["ERROR", "refused the subscription to `two/#`"]));
    assert_ne!(*service.client().state().borrow(), ConnectionState::Connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_refused_at_start_is_fatal_and_one_refused_later_is_not() {
    for (code, refusal) in [
        (ConnectReturnCode::BadUserNamePassword, Refusal::Credentials),
        (ConnectReturnCode::NotAuthorized, Refusal::NotAuthorized),
        (ConnectReturnCode::BadClientId, Refusal::ClientId),
        (ConnectReturnCode::RefusedProtocolVersion, Refusal::ProtocolVersion),
    ] {
        let server = ScriptedServer::start().await;
        let starting = tokio::spawn(Client::connect(server.config()));
        refuse(&server, code).await;
        let outcome = within("the end", starting).await.unwrap();
        assert!(matches!(outcome, Err(Error::Refused(found)) if found == refusal), "{outcome:?}");
    }

    let server = ScriptedServer::start().await;
    let (client, connection) =
        tokio::join!(Client::connect(server.config()), server.connected(false));
    let client = client.unwrap();
    drop(connection);
    refuse(&server, ConnectReturnCode::NotAuthorized).await;
    let _connection = server.connected(false).await;
    let mut state = client.state();
    within("the connection", state.wait_for(|state| *state == ConnectionState::Connected))
        .await
        .unwrap();
}

async fn refuse(server: &ScriptedServer, code: ConnectReturnCode) {
    let mut connection = server.accept().await;
    connection.connect().await;
    connection.send(Packet::ConnAck(ConnAck::new(code, false))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_or_talks_nonsense_is_tried_again() {
    let server = ScriptedServer::start().await;
    let starting = tokio::spawn(Client::connect(server.config()));
    refuse(&server, ConnectReturnCode::ServiceUnavailable).await;
    let mut connection = server.accept().await;
    connection.connect().await;
    connection.send_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let mut connection = server.accept().await;
    connection.connect().await;
    drop(connection);
    let _connection = server.connected(false).await;
    within("the connection", starting).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_with_one_id_are_told_so_in_words() {
    let logs = Logs::of_this_process();
    let id = unique_id("twin");
    on_each_broker(|broker| {
        let (id, logs) = (format!("{id}-{}", broker.port()), logs.clone());
        async move {
            let config = || {
                Config::new(broker.url(), id.clone())
                    .unwrap()
                    .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500))
            };
            let one = Client::connect(config()).await.unwrap();
            let other = Client::connect(config()).await.unwrap();
            eventually("it is said", || {
                logs.contain(&["ERROR", &id, "another client uses the same client id"])
            })
            .await;
            other.shutdown().await.unwrap();
            let mut state = one.state();
            within("peace", state.wait_for(|state| *state == ConnectionState::Connected))
                .await
                .unwrap();
            one.shutdown().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_is_suspected_too_where_the_broker_answers_only_some_attempts() {
    let logs = Logs::of_this_process();
    let server = ScriptedServer::start().await;
    let config = server.config();
    let id = config.client_id().to_owned();
    let said = || logs.contain(&["ERROR", &id, "another client uses the same client id"]);
    let (client, connection) = tokio::join!(Client::connect(config), server.connected(false));
    let _client = client.unwrap();
    drop(connection);
    for _ in 0..2 {
        assert!(!said());
        let mut unanswered = server.accept().await;
        unanswered.connect().await;
        drop(unanswered);
        drop(server.connected(true).await);
    }
    eventually("it is said", said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_broker_does_not_take_is_named() {
    let logs = Logs::of_this_process();
    let server = ScriptedServer::start().await;
    let config = server.config();
    let id = config.client_id().to_owned();
    let (client, mut connection) = tokio::join!(Client::connect(config), server.connected(false));
    let client = client.unwrap();
    let receipt = client.message("not/taken").payload("x").send().await.unwrap();
    for _ in 0..3 {
        assert!(!logs.contain(&["ERROR", &id]));
        assert_eq!(connection.publish().await.topic, "not/taken");
        drop(connection);
        connection = server.connected(true).await;
    }
    assert!(logs.contain(&["ERROR", &id, "not/taken", "does not take the message"]));
    assert!(!logs.contain(&["ERROR", &id, "another client"]));
    // It is kept all the same.
    let publish = connection.publish().await;
    connection.send(Packet::PubAck(PubAck::new(publish.pkid))).await;
    within("the acknowledgement", receipt.delivered()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_every_one_of_many_filters_is_subscribed_again() {
    on_each_broker_with(&[Feature::ManyFilters], |broker| async move {
        let relay = Relay::to(broker.port()).await;
        let config = Config::new(relay.url(), unique_id("many"))
            .unwrap()
            .clean_session(true)
            .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
        let client = Client::connect(config).await.unwrap();
        let mut streams = Vec::new();
        for count in [1, 64, 80, 1_000] {
            while streams.len() < count {
                let filter = format!("many/{}", streams.len());
                streams.push(client.subscribe::<tars_mqtt::DeadLetter>(&filter).await.unwrap());
            }
            let mut state = client.state();
            relay.cut();
            within("the loss", state.wait_for(|state| *state != ConnectionState::Connected))
                .await
                .unwrap();
            within("the return", state.wait_for(|state| *state == ConnectionState::Connected))
                .await
                .unwrap();
            let spy = Spy::on(broker.port(), &[]).await;
            let letter =
                r#"{"topic":"","payload":"","encoding":"","reason":"","handler":"","attempts":1}"#;
            for number in 0..count {
                let letter = tests::envelope("dead.letter", "1", letter);
                spy.publish(&format!("many/{number}"), letter).await;
            }
            for stream in &mut streams {
                within("a message on each filter", stream.next()).await.unwrap();
                // Asking for the next one acknowledges it, and leaves room in the broker's window.
                assert!(stream.next().now_or_never().is_none());
            }
        }
        client.shutdown().await.unwrap();
    })
    .await;
}
