//! What becomes of what a handler cannot take: a dead letter, whatever its size, or nothing where it
//! is no failure.

use std::sync::{Arc, Mutex};

use rumqttc::QoS as Quality;
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tars_mqtt::{BoxError, DeadLetter};
use tests::{Logs, Spy, envelope, eventually, json, on_each_broker};

#[subscribe("large", dead_letter = "dead/large")]
async fn fails(_payload: Bytes) -> Result<(), BoxError> {
    Err("it fails\nalways".repeat(10_000).into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_large_for_a_letter_is_cut_and_not_lost() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("large")).handler::<fails>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["dead/large"]).await;
        for payload in [vec![0xff; 600_000], vec![b'\n'; 1_000_000], vec![b'x'; 1000]] {
            spy.publish("large", payload.clone()).await;
            let letter: DeadLetter =
                serde_json::from_value(json(&spy.next().await)["data"].clone()).unwrap();
            assert_eq!(letter.truncated, payload.len() > 1000);
            assert_eq!(letter.size, letter.truncated.then_some(payload.len() as u64));
            assert!(letter.payload.len() >= payload.len().min(300_000));
            assert!(letter.reason.starts_with("it fails\nalways"));
            assert!(letter.reason.len() < 5000, "{}", letter.reason.len());
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "changes")]
struct Added {
    name: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "changes")]
struct Removed {
    name: String,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

#[subscribe(dead_letter = "dead/added")]
async fn added(added: Added, State(seen): State<Seen>) {
    seen.0.lock().unwrap().push(format!("+{}", added.name));
}

#[subscribe(dead_letter = "dead/removed")]
async fn removed(removed: Removed, State(seen): State<Seen>) {
    seen.0.lock().unwrap().push(format!("-{}", removed.name));
}

#[subscribe(dead_letter = "dead/strict", other_types = "reject")]
async fn strict(added: Added, State(seen): State<Seen>) {
    seen.0.lock().unwrap().push(format!("+{}", added.name));
}

#[subscribe(dead_letter = "dead/easy", other_types = "ignore")]
async fn easy(added: Added, State(seen): State<Seen>) {
    seen.0.lock().unwrap().push(format!("+{}", added.name));
}

fn letters(app: &TestApp) -> Vec<String> {
    let letters = app.published_messages();
    letters.iter().map(|letter| letter.topic().to_owned()).collect()
}

async fn deliver_both(app: &TestApp) {
    app.deliver(&Added { name: "a".into() }).await;
    app.deliver(&Removed { name: "b".into() }).await;
}

#[tokio::test]
async fn an_event_that_another_handler_takes_is_passed_over_in_silence() {
    let seen = Seen::default();
    let app =
        App::bare(TestApp::config()).handler::<added>().handler::<removed>().state(seen.clone());
    let app = TestApp::start(app).await.unwrap();
    deliver_both(&app).await;
    assert_eq!(*seen.0.lock().unwrap(), ["+a", "-b"]);
    assert_eq!(letters(&app), [""; 0]);
    // Nobody takes this one.
    app.deliver_message("changes", envelope("renamed", "1", "{}")).await;
    assert_eq!(letters(&app).len(), 2);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_handler_says_whether_events_of_other_types_are_refused() {
    let seen = Seen::default();
    let app = App::bare(TestApp::config())
        .handler::<strict>()
        .handler::<easy>()
        .handler::<removed>()
        .state(seen.clone());
    let app = TestApp::start(app).await.unwrap();
    deliver_both(&app).await;
    assert_eq!(letters(&app), ["dead/strict"]);
    app.deliver_message("changes", envelope("renamed", "1", "{}")).await;
    let mut now = letters(&app);
    now.sort();
    assert_eq!(now, ["dead/removed", "dead/strict", "dead/strict"]);
    app.stop().await.unwrap();
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "rooms/{room}", retain)]
struct Room {
    room: String,
}

#[subscribe("rooms/{room}", dead_letter = "dead/rooms")]
async fn room(room: String, event: Room, State(seen): State<Seen>) {
    assert_eq!(room, event.room);
    seen.0.lock().unwrap().push(room);
}

#[subscribe("plain/{room}", dead_letter = "dead/plain")]
async fn plain(room: String, Json(event): Json<Room>, State(seen): State<Seen>) {
    assert_eq!(room, event.room);
    seen.0.lock().unwrap().push(room);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clears_a_retained_message_is_no_failure() {
    on_each_broker(|broker| async move {
        let logs = Logs::of_this_process();
        let mut spy = Spy::on(broker.port(), &["plain/attic"]).await;
        // Kept from before, so that it is known to be retained.
        spy.publish_as("plain/attic", r#"{"room":"attic"}"#, Quality::AtLeastOnce, true).await;
        spy.next().await;
        let seen = Seen::default();
        let app = App::bare(broker.config("rooms")).handler::<room>().handler::<plain>();
        let service = app.state(seen.clone()).start().await.unwrap();
        let mut dead = Spy::on(broker.port(), &["dead/#"]).await;
        service.client().publish(&Room { room: "kitchen".into() }).await.unwrap();
        eventually("both are seen", || seen.0.lock().unwrap().len() == 2).await;
        for topic in ["rooms/kitchen", "plain/attic"] {
            spy.publish_as(topic, "", Quality::AtLeastOnce, true).await;
        }
        spy.publish("rooms/x", "garbage").await;
        // Behind what was cleared.
        assert_eq!(json(&dead.next().await)["data"]["topic"], "rooms/x");
        spy.publish("plain/x", "garbage").await;
        assert_eq!(json(&dead.next().await)["data"]["topic"], "plain/x");
        for topic in ["topic=rooms/kitchen", "topic=plain/attic"] {
            assert!(!logs.contain(&["a message was refused", topic]), "{topic}");
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_garbage_is_not_buried_again_at_every_start() {
    on_each_broker(|broker| async move {
        let mut spy = Spy::on(broker.port(), &["rooms/garbage"]).await;
        spy.publish_as("rooms/garbage", "{}", Quality::AtLeastOnce, true).await;
        spy.next().await;
        let mut dead = Spy::on(broker.port(), &["dead/#"]).await;
        for _ in 0..2 {
            let config = broker.config("garbage");
            let app = App::bare(config.clean_session(true)).handler::<room>();
            let service = app.state(Seen::default()).start().await.unwrap();
            spy.publish("rooms/new", "garbage").await;
            assert_eq!(json(&dead.next().await)["data"]["topic"], "rooms/new");
            service.stop().await.unwrap();
        }
    })
    .await;
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "{room}/out")]
struct Out {
    room: String,
}

#[subscribe("out/request", dead_letter = "dead/out")]
async fn out(room: String) -> Out {
    Out { room }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_on_a_topic_that_would_close_the_connection_fails_alone() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("out")).handler::<out>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["dead/out", "+/out"]).await;
        for bad in ["kitchen\n", "a/b", "+", "", "$SYS", "\u{fffe}", "\u{9f}"] {
            spy.publish("out/request", bad).await;
            let letter = json(&spy.next_on("dead/out").await);
            assert!(letter["data"]["reason"].as_str().unwrap().contains("cannot stand for {room}"));
        }
        spy.publish("out/request", "kitchen").await;
        spy.next_on("kitchen/out").await;
        let deep = vec!["x"; 201].join("/");
        for topic in ["a\u{1}", "a\u{fdd0}", &deep] {
            assert!(service.client().message(topic).send().await.is_err());
        }
        let state = service.client().state();
        assert_eq!(*state.borrow(), tars_mqtt::ConnectionState::Connected);
        service.stop().await.unwrap();
    })
    .await;
}
