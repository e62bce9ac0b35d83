//! Waking up and resting, as others hear of it.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use tars::wake::{self, Settings};
use tars_mqtt::Running;
use tars_mqtt::prelude::*;
use tests::{Broker, Spy, envelope, on_each_broker};

async fn start(broker: &Broker, window: Duration) -> (Running, Spy) {
    let settings = Settings { phrases: vec!["hey tars".into()], window };
    let mut spy = Spy::on(broker.port(), &["wake/event", "wake/mic", "tts/control"]).await;
    let service = wake::with(App::new(broker.config("wake")), settings).start().await.unwrap();
    assert_eq!(next(&mut spy).await.1["action"], "resume", "what it may have left behind");
    (service, spy)
}

async fn send(spy: &Spy, id: &str, kind: &str, data: &Value) {
    spy.publish(&kind.replace('.', "/"), envelope(kind, id, &data.to_string())).await;
}

async fn next(spy: &mut Spy) -> (String, Value) {
    let message = spy.next().await;
    let event = tests::json(&message);
    let mut data = event["data"].clone();
    data["envelope"] = event["id"].clone();
    (message.topic, data)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wake_event_bears_the_id_of_what_was_said() {
    on_each_broker(|broker| async move {
        let (service, mut spy) = start(&broker, Duration::from_secs(60)).await;
        send(&spy, "1", "stt.final", &json!({ "text": "tell me a joke" })).await;
        send(&spy, "2", "stt.final", &json!({ "text": "Hey TARS!" })).await;
        let (topic, data) = next(&mut spy).await;
        assert_eq!((topic.as_str(), &data["action"]), ("wake/mic", &json!("unmute")));
        let (topic, data) = next(&mut spy).await;
        assert_eq!((topic.as_str(), &data["type"]), ("wake/event", &json!("wake")));
        assert_eq!((&data["envelope"], &data["confidence"]), (&json!("2"), &json!(1.0)));
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_rests_when_it_is_interrupted_and_goes_on_in_silence() {
    on_each_broker(|broker| async move {
        let (service, mut spy) = start(&broker, Duration::from_millis(300)).await;
        let start = json!({ "event": "speaking_start", "text": "x", "utt_id": "u" });
        send(&spy, "1", "tts.status", &start).await;
        // Until the wake service has heard of it, it wakes, and says so, instead of interrupting.
        let mut interrupted = false;
        while !interrupted {
            send(&spy, "2", "stt.final", &json!({ "text": "hey tars" })).await;
            let (topic, data) = next(&mut spy).await;
            interrupted = topic == "tts/control" && data["action"] == "pause";
            while !interrupted && next(&mut spy).await.0 != "wake/event" {}
        }
        assert_eq!(next(&mut spy).await.1["action"], "unmute");
        let (_, event) = next(&mut spy).await;
        assert_eq!((&event["type"], &event["tts_id"]), (&json!("interrupt"), &json!("u")));
        let (topic, data) = next(&mut spy).await;
        assert_eq!((topic.as_str(), &data["action"]), ("tts/control", &json!("resume")));
        let (_, event) = next(&mut spy).await;
        assert_eq!((&event["type"], &event["tts_id"]), (&json!("timeout"), &json!("u")));
        service.stop().await.unwrap();
    })
    .await;
}
