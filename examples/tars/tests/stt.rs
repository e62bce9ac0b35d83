//! What is typed is heard.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use tars::stt::{self, Settings};
use tars_mqtt::prelude::*;
use tars_mqtt::{Running, Traffic};
use tests::{Broker, Spy, envelope, on_each_broker};
use tokio::sync::broadcast::Receiver;
use tokio::sync::mpsc;

struct Stage {
    service: Running,
    traffic: Receiver<Traffic>,
    spy: Spy,
    lines: mpsc::UnboundedSender<String>,
}

impl Stage {
    async fn on(broker: &Broker, may_interrupt: bool) -> Self {
        let settings = Settings {
            lang: "en".into(),
            wake_phrases: vec!["hey tars".into()],
            patience: Duration::ZERO,
            may_interrupt,
        };
        let (lines, receiver) = mpsc::unbounded_channel();
        let spy = Spy::on(broker.port(), &["stt/#", "wake/mic", "tts/status"]).await;
        let app = stt::with(App::new(broker.config("stt")), settings, stt::lines_of(receiver));
        let service = app.start().await.unwrap();
        let traffic = service.client().rumqttc().watch();
        Self { service, traffic, spy, lines }
    }

    async fn send(&self, kind: &str, data: Value) {
        self.spy.publish(&kind.replace('.', "/"), envelope(kind, "1", &data.to_string())).await;
    }

    /// Waits until the service has taken what was sent to it.
    async fn until_heard(&mut self) {
        tests::acknowledged(&mut self.traffic).await;
    }

    fn say(&self, line: &str) {
        self.lines.send(line.to_owned()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_is_an_utterance_that_is_heard_word_by_word() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, false).await;
        stage.say("  ");
        stage.say("what time is it");
        let mut heard = Vec::new();
        for _ in 0..4 {
            heard.push(stage.spy.next().await);
        }
        // A broker may deliver what came at QoS 1 before what came at QoS 0.
        heard.sort_by_key(|message| message.topic == "stt/final");
        let texts = ["what", "what time", "what time is", "what time is it"];
        let id = tests::json(&heard[0])["id"].clone();
        for (message, text) in heard.iter().zip(texts) {
            let event = tests::json(message);
            let is_final = text == "what time is it";
            assert_eq!(message.topic, if is_final { "stt/final" } else { "stt/partial" });
            assert_eq!(event["data"]["text"], text);
            assert_eq!(event["data"]["is_final"], is_final);
            assert_eq!((&event["id"], &event["data"]["utt_id"]), (&id, &id));
        }
        stage.service.stop().await.unwrap();
    })
    .await;
}

/// What is to be said, and how far that has come.
fn speech(event: &str) -> (&'static str, Value) {
    ("tts.status", json!({ "event": event, "text": "x", "utt_id": "u" }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_waits_while_the_robot_speaks_or_the_microphone_is_off() {
    on_each_broker(|broker| async move {
        let noises = [
            (speech("speaking_start"), speech("speaking_end")),
            (speech("speaking_start"), speech("paused")),
            (
                ("wake.mic", json!({ "action": "mute" })),
                ("wake.mic", json!({ "action": "unmute" })),
            ),
        ];
        for ((kind, begin), (_, end)) in noises {
            let mut stage = Stage::on(&broker, false).await;
            stage.send(kind, begin).await;
            stage.until_heard().await;
            stage.say("hey tars");
            stage.send(kind, end).await;
            // Both come from this client's own subscription, in the order in which they were sent.
            stage.spy.next_on(&kind.replace('.', "/")).await;
            stage.spy.next_on(&kind.replace('.', "/")).await;
            let said = tests::json(&stage.spy.next_on("stt/final").await);
            assert_eq!(said["data"]["text"], "hey tars");
            stage.service.stop().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_at_a_terminal_may_call_the_robot_while_it_speaks_but_say_nothing_else() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, true).await;
        let (kind, begin) = speech("speaking_start");
        stage.send(kind, begin).await;
        stage.until_heard().await;
        stage.say("Hey, TARS!");
        stage.say("what time is it");
        let said = tests::json(&stage.spy.next_on("stt/final").await);
        assert_eq!(said["data"]["text"], "Hey, TARS!");
        let (kind, end) = speech("speaking_end");
        stage.send(kind, end).await;
        let mut heard = stage.spy.next().await;
        if heard.topic == "stt/partial" && tests::json(&heard)["data"]["text"] == "Hey," {
            heard = stage.spy.next().await;
        }
        assert_eq!(heard.topic, "tts/status", "the other line has waited");
        let said = tests::json(&stage.spy.next_on("stt/final").await);
        assert_eq!(said["data"]["text"], "what time is it");
        stage.service.stop().await.unwrap();
    })
    .await;
}
