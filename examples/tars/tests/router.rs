//! The router does what the Python router does, over a real broker and with the clock put forward.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tars::router::{self, Clock, Settings};
use tars::vars::Vars;
use tars_mqtt::prelude::*;
use tars_mqtt::rumqttc::Publish;
use tars_mqtt::{Running, Traffic};
use tests::{Broker, Spy, envelope, on_each_broker};
use tokio::sync::broadcast::Receiver;

const SCENARIOS: &str = include_str!("../../../tests/fixtures/py-tars/router-scenarios.json");

/// A router, and a client that stands for all other services.
struct Stage {
    clock: Clock,
    service: Running,
    traffic: Receiver<Traffic>,
    spy: Spy,
    sent: usize,
}

impl Stage {
    async fn on(broker: &Broker, settings: &Value) -> Self {
        let variables: HashMap<String, String> =
            settings.as_object().unwrap().iter().map(variable).collect();
        let vars = Vars::new(|name| variables.get(name).cloned());
        let clock = Clock::default();
        let filters = ["tts/say", "llm/request", "movement/test", "mark"];
        let spy = Spy::on(broker.port(), &filters).await;
        let app = App::new(broker.config("router"));
        let app = router::with(app, Settings::from_vars(&vars).unwrap(), clock.clone());
        let service = app.start().await.unwrap();
        let traffic = service.client().rumqttc().watch();
        Self { clock, service, traffic, spy, sent: 0 }
    }

    /// Sends an event, and gives what the router publishes, until it has done all that it does about
    /// it.
    async fn send(&mut self, topic: &str, event_type: &str, data: &Value) -> Vec<Publish> {
        self.sent += 1;
        let id = format!("id-{}", self.sent);
        self.send_as(&id, topic, event_type, data).await
    }

    async fn send_as(
        &mut self,
        id: &str,
        topic: &str,
        event_type: &str,
        data: &Value,
    ) -> Vec<Publish> {
        self.spy.publish(topic, envelope(event_type, id, &data.to_string())).await;
        if topic == "llm/stream" {
            // Nobody acknowledges what comes at QoS 0, but it is handled in order.
            let last = json!({ "id": format!("mark-{id}"), "delta": "Mark." });
            self.spy.publish(topic, envelope(event_type, "mark", &last.to_string())).await;
            return self.until(|message| tests::json(message)["id"] == "mark").await;
        }
        // Sent when the handler is done, and the broker has what it published.
        tests::acknowledged(&mut self.traffic).await;
        self.spy.publish("mark", "").await;
        self.until(|message| message.topic == "mark").await
    }

    async fn until(&mut self, is_mark: impl Fn(&Publish) -> bool) -> Vec<Publish> {
        let mut published = Vec::new();
        loop {
            let message = self.spy.next().await;
            if is_mark(&message) {
                return published;
            }
            published.push(message);
        }
    }

    /// Says something, and gives what the router publishes.
    async fn hear(&mut self, text: &str) -> Vec<Publish> {
        self.send("stt/final", "stt.final", &json!({ "text": text, "utt_id": "u", "ts": 5.0 }))
            .await
    }

    async fn wake(&mut self) -> Vec<Publish> {
        self.send("wake/event", "wake.event", &json!({ "type": "wake" })).await
    }
}

fn variable((key, value): (&String, &Value)) -> (String, String) {
    let name = match key.as_str() {
        "online_announce" => "ONLINE_ANNOUNCE".to_owned(),
        "online_text" => "ONLINE_ANNOUNCE_TEXT".to_owned(),
        "router_llm_tts_stream" => "ROUTER_LLM_TTS_STREAM".to_owned(),
        key => format!("ROUTER_{}", key.to_uppercase()),
    };
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    (name, value)
}

/// What a scenario tells of a message.
fn told(message: &Publish) -> Value {
    let mut event = tests::json(message);
    let data = event["data"].as_object_mut().unwrap();
    data.remove("message_id");
    data.remove("timestamp");
    if data.get("wake_ack").is_some_and(|ack| *ack == json!(true)) {
        assert_eq!(data["utt_id"].as_str().unwrap().len(), 32);
        data["utt_id"] = json!("<generated>");
    }
    json!({
        "topic": message.topic,
        "type": event["type"],
        "qos": message.qos as u8,
        "retain": message.retain,
        "data": event["data"],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_goes_as_with_the_python_router() {
    let scenarios: Vec<Value> = serde_json::from_str(SCENARIOS).unwrap();
    assert_eq!(scenarios.len(), 13);
    on_each_broker(|broker| {
        let scenarios = scenarios.clone();
        async move {
            for scenario in &scenarios {
                let mut stage = Stage::on(&broker, &scenario["settings"]).await;
                for (number, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
                    if let Some(seconds) = step["sleep"].as_f64() {
                        stage.clock.advance(Duration::from_secs_f64(seconds));
                        continue;
                    }
                    let (topic, kind) = (&step["in"]["topic"], &step["in"]["type"]);
                    let (topic, kind) = (topic.as_str().unwrap(), kind.as_str().unwrap());
                    let published = stage.send(topic, kind, &step["in"]["data"]).await;
                    let published: Vec<Value> = published.iter().map(told).collect();
                    let expected = step["out"].as_array().unwrap();
                    assert_eq!(&published, expected, "{}, step {number}", scenario["name"]);
                }
                stage.service.stop().await.unwrap();
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_health_is_kept_under_the_name_that_others_know() {
    on_each_broker(|broker| async move {
        let stage = Stage::on(&broker, &json!({})).await;
        let filter = ["system/health/router"];
        // It may come only now, and is kept once it has come.
        Spy::on(broker.port(), &filter).await.next().await;
        let ready = Spy::on(broker.port(), &filter).await.next().await;
        assert!(ready.retain);
        let health = &tests::json(&ready)["data"];
        assert_eq!((&health["ok"], &health["event"]), (&json!(true), &json!("ready")));
        stage.service.stop().await.unwrap();
    })
    .await;
}

/// What is said, asked or moved, in a few words.
fn brief(published: &[Publish]) -> Vec<String> {
    let brief = published.iter().map(|message| {
        let data = &tests::json(message)["data"];
        let what = data.get("text").unwrap_or(&data["command"]);
        format!("{}: {}", message.topic, what.as_str().unwrap())
    });
    brief.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wake_phrase_at_the_head_of_a_sentence_is_stripped() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({ "wake_phrases": "hey tars|computer" })).await;
        for text in ["Hey TARS, why is the sky blue?", "Computer: why is the sky blue?"] {
            stage.wake().await;
            let published = stage.hear(text).await;
            assert_eq!(brief(&published), ["llm/request: why is the sky blue?"]);
            let request = &tests::json(&published[0])["data"];
            let said = request["conversation_history"].as_array().unwrap().last().unwrap();
            assert_eq!(said["content"], "why is the sky blue?");
        }
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movement_phrase_moves() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        stage.wake().await;
        let published = stage.hear("hey tars, turn left please").await;
        assert_eq!(
            published.iter().map(told).collect::<Vec<_>>(),
            [json!({
                "topic": "movement/test",
                "type": "movement.test",
                "qos": 1,
                "retain": false,
                "data": { "command": "turn_left", "speed": 1.0, "params": {}, "request_id": "u" },
            })]
        );
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_behind_the_wake_phrase_is_answered_when_the_wake_event_comes() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        let wake = json!({ "type": "wake", "cause": "question" });
        let said = json!({ "text": "Hey TARS, say yes", "utt_id": "u" });
        // The router hears it before the wake service has spoken up.
        assert_eq!(brief(&stage.send_as("1", "stt/final", "stt.final", &said).await), [""; 0]);
        let published = stage.send_as("1", "wake/event", "wake.event", &wake).await;
        assert_eq!(brief(&published), ["tts/say: yes"]);
        assert_eq!(brief(&stage.hear("say more").await), [""; 0], "it listens no longer");
        // The wake service was faster.
        assert_eq!(brief(&stage.send_as("2", "wake/event", "wake.event", &wake).await), [""; 0]);
        let published = stage.send_as("2", "stt/final", "stt.final", &said).await;
        assert_eq!(brief(&published), ["tts/say: yes"]);
        // It listened already.
        let end = json!({ "event": "speaking_end", "text": "yes" });
        stage.send("tts/status", "tts.status", &end).await;
        let published = stage.send_as("3", "stt/final", "stt.final", &said).await;
        assert_eq!(brief(&published), ["tts/say: yes"]);
        assert_eq!(brief(&stage.send_as("3", "wake/event", "wake.event", &wake).await), [""; 0]);
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wake_phrase_alone_leaves_the_window_open() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        assert_eq!(brief(&stage.hear("Hey TARS!").await), [""; 0]);
        assert_eq!(brief(&stage.wake().await), ["tts/say: Hmm?"]);
        assert_eq!(brief(&stage.hear("Hey TARS!").await), [""; 0]);
        assert_eq!(brief(&stage.hear("say it").await), ["tts/say: it"]);
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_acknowledgement_opens_no_window() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        let end = json!({ "event": "speaking_end", "text": "Hmm?", "wake_ack": true });
        stage.send("tts/status", "tts.status", &end).await;
        assert_eq!(brief(&stage.hear("say it").await), [""; 0]);
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_is_not_spoken() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        let delta = json!({ "id": "q", "seq": 0, "delta": "One. Tw" });
        assert_eq!(brief(&stage.send("llm/stream", "llm.stream", &delta).await), ["tts/say: One."]);
        stage.send("llm/cancel", "llm.cancel", &json!({ "id": "q" })).await;
        let done = json!({ "id": "q", "seq": 1, "delta": "o. Three.", "done": true });
        assert_eq!(brief(&stage.send("llm/stream", "llm.stream", &done).await), [""; 0]);
        let reply = json!({ "id": "q", "reply": "One. Two. Three." });
        assert_eq!(brief(&stage.send("llm/response", "llm.response", &reply).await), [""; 0]);
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_reply_is_spoken_and_all_of_another_one() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        for (id, reply, rest) in
            [("a", "One. Two, and three.", "Two, and three."), ("b", "Uno. Due.", "Uno. Due.")]
        {
            let delta = json!({ "id": id, "seq": 0, "delta": "One. Tw" });
            let said = stage.send("llm/stream", "llm.stream", &delta).await;
            assert_eq!(brief(&said), ["tts/say: One."]);
            let response = json!({ "id": id, "reply": reply });
            let said = stage.send("llm/response", "llm.response", &response).await;
            assert_eq!(brief(&said), [format!("tts/say: {rest}")]);
            let late = json!({ "id": id, "seq": 1, "delta": "o." });
            let said = stage.send("llm/stream", "llm.stream", &late).await;
            assert_eq!(brief(&said), [""; 0]);
        }
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_begins_anew_is_spoken_anew_and_no_more_than_that() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        for (seq, delta, said) in [
            (0, "One. Tw", &["tts/say: One."][..]),
            (0, "One. ", &["tts/say: One."]),
            (1, "Two. Th", &["tts/say: Two."]),
        ] {
            let delta = json!({ "id": "q", "seq": seq, "delta": delta });
            assert_eq!(brief(&stage.send("llm/stream", "llm.stream", &delta).await), said);
        }
        let reply = json!({ "id": "q", "reply": "One. Two. Three. Four." });
        let said = stage.send("llm/response", "llm.response", &reply).await;
        assert_eq!(brief(&said), ["tts/say: Three.", "tts/say: Four."]);
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_said_when_the_model_fails() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({})).await;
        let failure = json!({ "id": "q", "error": "no connection" });
        let said = stage.send("llm/response", "llm.response", &failure).await;
        assert_eq!(brief(&said), ["tts/say: Sorry, I have no answer to that."]);
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_told_the_last_ten_messages() {
    on_each_broker(|broker| async move {
        let mut stage = Stage::on(&broker, &json!({ "live_mode_default": true })).await;
        for number in 0..7 {
            let published = stage.hear(&format!("question {number}")).await;
            let history = tests::json(&published[0])["data"]["conversation_history"].clone();
            let history = history.as_array().unwrap();
            let last = history.last().unwrap();
            assert_eq!(
                (&last["role"], &last["content"]),
                (&json!("user"), &json!(format!("question {number}")))
            );
            assert_eq!(history.len(), (2 * number + 1).min(10));
            let reply = json!({ "id": format!("q{number}"), "reply": format!("answer {number}") });
            stage.send("llm/response", "llm.response", &reply).await;
        }
        let published = stage.hear("and then").await;
        let history = tests::json(&published[0])["data"]["conversation_history"].clone();
        assert_eq!(history[8]["content"], "answer 6");
        assert_eq!(history[8]["role"], "assistant");
        stage.service.stop().await.unwrap();
    })
    .await;
}

#[test]
fn a_setting_that_cannot_be_read_is_an_error_with_its_name() {
    for (name, value, said) in [
        ("ROUTER_WAKE_WINDOW_SEC", "soon", "must be a number from 0 to 86400"),
        ("ROUTER_WAKE_ACK_ENABLED", "maybe", "must be true or false"),
        ("ROUTER_STREAM_MIN_CHARS", "0", "must be a number from 1 to 100000"),
    ] {
        let vars = Vars::new(|asked| (asked == name).then(|| value.to_owned()));
        let error = Settings::from_vars(&vars).unwrap_err().to_string();
        assert_eq!(error, format!("{name} is {value:?}, and {said}"));
    }
}
