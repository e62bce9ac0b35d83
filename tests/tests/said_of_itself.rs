//! What a service says of itself, and when it may not say it.

use std::time::Duration;

use rumqttc::{Packet, PubAck, SubAck, SubscribeReasonCode};
use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;
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
