//! What has to be guessed of a broker, and is taken back when it was wrong: whether it sends copies,
//! what it retains, and whether it is the one that it was.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Packet, PubRec, PubRel, Publish};
use tars_mqtt::prelude::*;
use tests::{Connection, ScriptedServer, Spy, envelope, eventually, on_each_broker, within};
use tokio::sync::Semaphore;

/// Counts what two handlers hear, by their names.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Heard {
    fn note(&self, handler: &'static str, payload: String) {
        self.0.lock().unwrap().push((handler, payload));
    }

    fn count(&self, handler: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(name, _)| *name == handler).count()
    }
}

#[subscribe("btn/{n}")]
async fn by_button(n: String, payload: String, State(heard): State<Heard>) {
    let _ = n;
    heard.note("button", payload);
}

#[subscribe("+/kitchen")]
async fn by_room(payload: String, State(heard): State<Heard>) {
    heard.note("room", payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_messages_with_pauses_are_each_handled_by_both_of_overlapping_handlers() {
    on_each_broker(|broker| async move {
        for pause in [Duration::from_millis(120), Duration::from_millis(1_500)] {
            let heard = Heard::default();
            let app = App::bare(broker.config("overlap"))
                .handler::<by_button>()
                .handler::<by_room>()
                .state(heard.clone());
            let service = app.start().await.unwrap();
            let spy = Spy::on(broker.port(), &[]).await;
            let presses = if pause < Duration::from_secs(1) { 20 } else { 4 };
            for _ in 0..presses {
                spy.publish("btn/kitchen", "PRESS").await;
                tokio::time::sleep(pause).await;
            }
            eventually("each is heard", || {
                heard.count("button") >= presses && heard.count("room") >= presses
            })
            .await;
            service.stop().await.unwrap();
            assert_eq!((heard.count("button"), heard.count("room")), (presses, presses));
        }
    })
    .await;
}

#[derive(Clone)]
struct Door {
    begun: Arc<AtomicU32>,
    open: Arc<Semaphore>,
}

#[subscribe("door/{n}", qos = 1)]
async fn at_least_once(n: String, State(door): State<Door>) {
    let _ = n;
    door.begun.fetch_add(1, Ordering::SeqCst);
    door.open.acquire().await.unwrap().forget();
}

#[subscribe("+/front", qos = 0)]
async fn at_most_once() {}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_at_qos_1_is_acknowledged_when_the_handler_of_the_first_is_done() {
    let server = ScriptedServer::start().await;
    let door = Door { begun: Arc::default(), open: Arc::new(Semaphore::new(0)) };
    let app = App::bare(server.config())
        .handler::<at_least_once>()
        .handler::<at_most_once>()
        .state(door.clone());
    let (_service, mut connection) = server.start_service(app).await;
    let at_most_once = Publish::new("door/front", rumqttc::QoS::AtMostOnce, "x");
    connection.send(Packet::Publish(at_most_once)).await;
    connection.deliver("door/front", "x", 7, false).await;
    eventually("the handler runs", || door.begun.load(Ordering::SeqCst) == 1).await;
    let early = tokio::time::timeout(Duration::from_millis(300), connection.next()).await;
    assert!(early.is_err(), "{early:?}");
    door.open.add_permits(10);
    assert_eq!(connection.puback().await, 7);
    assert_eq!(door.begun.load(Ordering::SeqCst), 1, "it is a copy");
}

#[derive(Debug, serde::Serialize, serde::Deserialize, Event)]
#[event("home.state", topic = "home/{room}/state")]
struct RoomState {
    room: String,
}

#[subscribe]
async fn on_state(state: RoomState) {
    let _ = state;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_retained_comes_to_each_subscription_anew() {
    on_each_broker(|broker| async move {
        let spy = Spy::on(broker.port(), &[]).await;
        let message = envelope("home.state", "1", r#"{"room":"kitchen"}"#);
        spy.publish_as("home/kitchen/state", message, rumqttc::QoS::AtLeastOnce, true).await;
        let service =
            App::bare(broker.config("retained")).handler::<on_state>().start().await.unwrap();
        let client = service.client();
        for round in 0..6 {
            let mut states = client.subscribe::<RoomState>("home/kitchen/state").await.unwrap();
            let what = format!("the retained message in round {round}");
            let state = within(what, states.next()).await.unwrap();
            assert_eq!(state.data.room, "kitchen");
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[subscribe("exactly", qos = 2)]
async fn exactly(payload: String, State(heard): State<Heard>) {
    heard.note("exactly", payload);
}

async fn deliver(connection: &mut Connection, payload: &str, dup: bool) {
    let mut publish = Publish::new("exactly", rumqttc::QoS::ExactlyOnce, payload);
    (publish.pkid, publish.dup) = (7, dup);
    connection.send(Packet::Publish(publish)).await;
    let answer = connection.next().await;
    assert!(matches!(answer, Some(Packet::PubRec(PubRec { pkid: 7 }))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_that_a_broker_gives_to_another_message_names_that_message() {
    let server = ScriptedServer::start().await;
    let heard = Heard::default();
    let app = App::bare(server.config()).handler::<exactly>().state(heard.clone());
    let (_service, mut connection) = server.start_service(app).await;
    deliver(&mut connection, "first", false).await;
    // Killed before it stored that: it knows nothing of the first one's release.
    drop(connection);
    let mut connection = server.connected(true).await;
    deliver(&mut connection, "first", true).await;
    assert_eq!(heard.count("exactly"), 1, "it came again");
    deliver(&mut connection, "second", false).await;
    deliver(&mut connection, "third", true).await;
    connection.send(Packet::PubRel(PubRel::new(7))).await;
    assert!(matches!(connection.next().await, Some(Packet::PubComp(_))));
    deliver(&mut connection, "third", false).await;
    let all: Vec<String> =
        heard.0.lock().unwrap().iter().map(|(_, payload)| payload.clone()).collect();
    assert_eq!(all, ["first", "second", "third", "third"]);
}

#[subscribe("logs/{path..}", qos = 0)]
async fn all_logs(path: String, State(door): State<Door>) {
    let _ = path;
    door.open.acquire().await.unwrap().forget();
}

#[subscribe("logs/critical", qos = 1)]
async fn critical(State(door): State<Door>) {
    door.begun.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_at_qos_0_holds_up_nobody_whatever_another_one_asks_for() {
    let server = ScriptedServer::start().await;
    let door = Door { begun: Arc::default(), open: Arc::new(Semaphore::new(0)) };
    let app =
        App::bare(server.config()).handler::<all_logs>().handler::<critical>().state(door.clone());
    let (_service, mut connection) = server.start_service(app).await;
    // One subscription brings all of it at QoS 1; the slow handler has asked for QoS 0.
    for id in 1..=600_u16 {
        connection.deliver("logs/debug", "x", 2 * id - 1, false).await;
        connection.deliver("logs/critical", "x", 2 * id, false).await;
        assert_eq!(connection.puback().await, 2 * id - 1);
        assert_eq!(connection.puback().await, 2 * id);
    }
    assert_eq!(door.begun.load(Ordering::SeqCst), 600);
}
