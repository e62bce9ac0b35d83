//! How long others wait behind a message that one handler holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rumqttc::Packet;
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Error};
use tests::{Mosquitto, ScriptedServer, Spy, eventually, json, unique_id, within};
use tokio::sync::Semaphore;

#[derive(Clone)]
struct Held {
    begun: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
    quick: Arc<AtomicUsize>,
}

impl Held {
    fn new() -> Self {
        let open = Arc::new(Semaphore::new(0));
        Self { begun: Arc::default(), open, quick: Arc::default() }
    }
}

#[derive(Debug, serde::Serialize, serde::Deserialize, Event)]
struct Finished {}

#[subscribe("slow", isolated, timeout = "off")]
async fn apart(State(held): State<Held>) -> Finished {
    held.begun.fetch_add(1, Ordering::SeqCst);
    held.open.acquire().await.unwrap().forget();
    Finished {}
}

#[subscribe("quick")]
async fn quick(State(held): State<Held>) {
    held.quick.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_with_a_connection_of_its_own_holds_up_nobody() {
    // As it comes: 20 messages may be unacknowledged.
    let Some(broker) = Mosquitto::start().await else { return };
    let held = Held::new();
    let config = Config::new(broker.url(), unique_id("apart")).unwrap().health(true);
    let health = format!("system/health/{}", config.client_id());
    let app = App::bare(config).handler::<apart>().handler::<quick>().state(held.clone());
    let service = app.start().await.unwrap();
    let mut spy = Spy::on(broker.port(), &["finished", &health]).await;
    assert_eq!(json(&spy.next_on(&health).await)["data"]["ok"], true);
    for _ in 0..3 {
        spy.publish("slow", "x").await;
    }
    eventually("it is held", || held.begun.load(Ordering::SeqCst) == 1).await;
    for _ in 0..500 {
        spy.publish("quick", "x").await;
    }
    eventually("all others are handled", || held.quick.load(Ordering::SeqCst) == 500).await;
    held.open.add_permits(3);
    for _ in 0..3 {
        spy.next_on("finished").await;
    }
    within("the end", service.stop()).await.unwrap();
    // Each message was acknowledged: none comes again.
    held.open.add_permits(3);
    let again = Held::new();
    let config = Config::new(broker.url(), health.rsplit('/').next().unwrap()).unwrap();
    let app = App::bare(config).handler::<apart>().handler::<quick>().state(again.clone());
    let service = app.start().await.unwrap();
    spy.publish("quick", "x").await;
    eventually("the last", || again.quick.load(Ordering::SeqCst) == 1).await;
    within("the end", service.stop()).await.unwrap();
    assert_eq!(again.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_well_only_while_all_its_connections_are() {
    let server = ScriptedServer::start().await;
    let held = Held::new();
    let config = server.config();
    let id = config.client_id().to_owned();
    let app = App::bare(config).handler::<apart>().handler::<quick>().state(held);
    let starting = tokio::spawn(app.start());
    let mut own = None;
    let mut others = None;
    for _ in 0..2 {
        let mut connection = server.accept().await;
        let connect = connection.connect().await;
        let ack = rumqttc::ConnAck::new(rumqttc::ConnectReturnCode::Success, false);
        connection.send(Packet::ConnAck(ack)).await;
        if connect.client_id == id {
            connection.subscribe().await;
            others = Some(connection);
        } else {
            assert!(connect.client_id.starts_with(&id) && connect.client_id.ends_with("apart"));
            own = Some(connection);
        }
    }
    let (mut own, _others) = (own.unwrap(), others.unwrap());
    tokio::task::yield_now().await;
    assert!(!starting.is_finished());
    own.subscribe().await;
    let service = within("the start", starting).await.unwrap().unwrap();
    let mut state = service.client().state();
    drop(own);
    within("the loss", state.wait_for(|state| *state != ConnectionState::Connected)).await.unwrap();
    let mut own = server.connected(false).await;
    own.subscribe().await;
    within("the return", state.wait_for(|state| *state == ConnectionState::Connected))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_of_a_handler_that_is_refused_at_start_is_an_error() {
    let server = ScriptedServer::start().await;
    let app = App::bare(server.config()).handler::<apart>().handler::<quick>().state(Held::new());
    let starting = tokio::spawn(app.start());
    for _ in 0..2 {
        let mut connection = server.accept().await;
        let connect = connection.connect().await;
        let code = if connect.client_id.ends_with("apart") {
            rumqttc::ConnectReturnCode::BadClientId
        } else {
            rumqttc::ConnectReturnCode::Success
        };
        connection.send(Packet::ConnAck(rumqttc::ConnAck::new(code, false))).await;
        tokio::spawn(async move { while connection.next().await.is_some() {} });
    }
    let outcome = within("the refusal", starting).await.unwrap();
    assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
}
