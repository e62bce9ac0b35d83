//! What a service says of itself, and when it may not say it.

use std::time::Duration;

use rumqttc::{Packet, PubAck, SubAck, SubscribeReasonCode};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Error};
use tests::{Connection, ScriptedServer, eventually, json, within};

#[subscribe("work")]
async fn work() {}

async fn granted(connection: &mut Connection, code: SubscribeReasonCode) {
    let Some(Packet::Subscribe(subscribe)) = connection.next().await else { panic!() };
    connection.send(Packet::SubAck(SubAck::new(subscribe.pkid, vec![code]))).await;
}

const SUCCESS: SubscribeReasonCode = SubscribeReasonCode::Success(rumqttc::QoS::AtLeastOnce);

/// The next health: whether it is well, and what it says.
async fn health(connection: &mut Connection) -> (bool, String) {
    let publish = connection.publish().await;
    assert!(publish.topic.starts_with("system/health/"), "{}", publish.topic);
    connection.send(Packet::PubAck(PubAck::new(publish.pkid))).await;
    let data = &json(&publish)["data"];
    let text = data["event"].as_str().or(data["err"].as_str()).unwrap();
    (data["ok"].as_bool().unwrap(), format!("{text} {}", data["err"].as_str().unwrap_or("")))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_before_the_broker_has_agreed_and_then_the_last() {
    let server = ScriptedServer::start().await;
    let config = server.config().health(true);
    let app = App::bare(config).handler::<work>();
    let app = app.on_ready(|_: Client| async { Ok::<(), Error>(()) });
    let starting = tokio::spawn(app.start());
    let mut connection = server.connected(false).await;
    let Some(Packet::Subscribe(subscribe)) = connection.next().await else { panic!() };
    let silence = tokio::time::timeout(Duration::from_millis(300), connection.next()).await;
    assert!(silence.is_err(), "{silence:?}");
    connection.send(Packet::SubAck(SubAck::new(subscribe.pkid, vec![SUCCESS]))).await;
    assert_eq!(health(&mut connection).await, (true, "ready ".into()));
    let service = starting.await.unwrap().unwrap();
    drop(connection);
    let client = service.client();
    let mut state = client.state();
    within("the outage", state.wait_for(|state| *state != ConnectionState::Connected))
        .await
        .unwrap();
    for index in 0..100_000 {
        client.health().ok(format!("report {index}")).await.unwrap();
    }
    let mut connection = server.connected(false).await;
    granted(&mut connection, SUCCESS).await;
    assert_eq!(health(&mut connection).await, (true, "report 99999 ".into()));
    let silence = tokio::time::timeout(Duration::from_millis(300), connection.next()).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_filter_is_refused_a_service_is_not_well_whatever_it_says() {
    let server = ScriptedServer::start().await;
    let app = App::bare(server.config().health(true)).handler::<work>();
    let (service, mut connection) = tokio::join!(app.start(), async {
        let mut connection = server.connected(false).await;
        granted(&mut connection, SUCCESS).await;
        assert_eq!(health(&mut connection).await, (true, "ready ".into()));
        connection
    });
    let service = service.unwrap();
    let client = service.client();
    drop(connection);
    connection = server.connected(false).await;
    granted(&mut connection, SubscribeReasonCode::Failure).await;
    let (ok, text) = health(&mut connection).await;
    assert!(!ok && text.contains("refused the subscription to `work`"), "{text}");
    client.health().ok("database is back").await.unwrap();
    let (ok, text) = health(&mut connection).await;
    assert!(!ok && text.contains("database is back") && text.contains("`work`"), "{text}");
    assert_ne!(*client.state().borrow(), ConnectionState::Connected);
    drop(connection);
    connection = server.connected(false).await;
    granted(&mut connection, SUCCESS).await;
    assert!(health(&mut connection).await.0);
    eventually("it is connected", || *client.state().borrow() == ConnectionState::Connected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_that_cannot_be_sent_does_not_hold_up_the_end() {
    let server = ScriptedServer::start().await;
    let config = server.config().health(true).shutdown_timeout(Duration::from_secs(30));
    let (client, connection) = tokio::join!(Client::connect(config), server.connected(false));
    let client = client.unwrap();
    drop((connection, server));
    let mut state = client.state();
    within("the outage", state.wait_for(|state| *state == ConnectionState::Disconnected))
        .await
        .unwrap();
    client.health().failing("nobody hears it").await.unwrap();
    let begun = std::time::Instant::now();
    within("the end", client.shutdown()).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_fails_in_time_however_busy_the_service_is_while_offline() {
    let server = ScriptedServer::start().await;
    let limit = Duration::from_millis(300);
    let config = server.config().health(true).publish_timeout(Some(limit));
    let (client, connection) = tokio::join!(Client::connect(config), server.connected(false));
    let client = client.unwrap();
    drop((connection, server));
    let mut state = client.state();
    within("the outage", state.wait_for(|state| *state == ConnectionState::Disconnected))
        .await
        .unwrap();
    let talking = {
        let client = client.clone();
        tokio::spawn(async move {
            loop {
                client.health().ok("still here").await.unwrap();
                let subscribing = client.subscribe::<tars_mqtt::HealthStatus>("some/filter");
                let _ = tokio::time::timeout(Duration::from_millis(20), subscribing).await;
            }
        })
    };
    for _ in 0..5 {
        let receipt = client.message("lost").send().await.unwrap();
        let outcome = within("the end of the message", receipt.delivered()).await;
        assert!(matches!(outcome, Err(Error::Timeout(_))), "{outcome:?}");
    }
    talking.abort();
}
