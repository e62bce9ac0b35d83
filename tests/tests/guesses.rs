//! What has to be guessed of a broker, and is taken back when it was wrong: what it retains, and whether it is the one that it was.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rumqttc::{Packet, PubRec, PubRel, Publish};
use tars_mqtt::prelude::*;
use tests::{Connection, ScriptedServer, Spy, envelope, on_each_broker, within};
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

#[derive(Clone)]
struct Door {
    begun: Arc<AtomicU32>,
    open: Arc<Semaphore>,
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
