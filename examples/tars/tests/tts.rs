//! The voice, as others hear of it.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tars::tts::{self, Settings};
use tars::vars::Vars;
use tars_mqtt::Running;
use tars_mqtt::prelude::*;
use tests::{Broker, Spy, envelope, on_each_broker};

/// So slow that nothing ends by itself while a test runs.
const SLOW: f64 = 1.0;
/// So fast that nobody waits.
const FAST: f64 = 1_000_000.0;

async fn start(broker: &Broker, settings: &Settings) -> (Running, Spy) {
    let spy = Spy::on(broker.port(), &["tts/status"]).await;
    let app = tts::with(App::new(broker.config("tts")), settings).unwrap();
    (app.start().await.unwrap(), spy)
}

fn speaking(words_per_minute: f64) -> Settings {
    Settings { words_per_minute, wav_dir: None }
}

/// Sends an event that was made at a time in seconds.
async fn send(spy: &Spy, kind: &str, ts: f64, data: &Value) {
    let event = json!({ "id": "1", "type": kind, "ts": ts, "source": "tests", "data": data });
    spy.publish(&kind.replace('.', "/"), event.to_string()).await;
}

async fn say(spy: &Spy, ts: f64, text: &str) {
    send(spy, "tts.say", ts, &json!({ "text": text, "utt_id": format!("u-{text}") })).await;
}

async fn order(spy: &Spy, ts: f64, action: &str) {
    send(spy, "tts.control", ts, &json!({ "action": action, "reason": "test" })).await;
}

/// The next status in short.
async fn next(spy: &mut Spy) -> String {
    let data = tests::json(&spy.next().await)["data"].clone();
    format!("{} {}", data["event"].as_str().unwrap(), data["text"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_spoken_in_order_and_each_status_tells_what_it_is_about() {
    on_each_broker(|broker| async move {
        let (service, mut spy) = start(&broker, &speaking(FAST)).await;
        let first = json!({ "text": "Hmm?", "utt_id": "a", "wake_ack": true });
        let second = json!({ "text": "System online.", "utt_id": "boot", "system_announce": true });
        spy.publish("tts/say", envelope("tts.say", "one", &first.to_string())).await;
        spy.publish("tts/say", envelope("tts.say", "two", &second.to_string())).await;
        for (id, data, event) in [
            ("one", &first, "speaking_start"),
            ("one", &first, "speaking_end"),
            ("two", &second, "speaking_start"),
            ("two", &second, "speaking_end"),
        ] {
            let status = tests::json(&spy.next().await);
            assert_eq!((&status["id"], &status["type"]), (&json!(id), &json!("tts.status")));
            assert_eq!(status["data"]["event"], event);
            for field in ["text", "utt_id", "wake_ack", "system_announce"] {
                assert_eq!(status["data"][field], data[field], "{field}");
            }
            assert_eq!(status["data"]["reason"], Value::Null);
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_rests_and_goes_on() {
    on_each_broker(|broker| async move {
        let (service, mut spy) = start(&broker, &speaking(SLOW)).await;
        say(&spy, 10.0, "one").await;
        assert_eq!(next(&mut spy).await, "speaking_start one");
        order(&spy, 11.0, "pause").await;
        let paused = tests::json(&spy.next().await)["data"].clone();
        assert_eq!((&paused["event"], &paused["reason"]), (&json!("paused"), &json!("test")));
        order(&spy, 12.0, "resume").await;
        assert_eq!(next(&mut spy).await, "resumed one");
        order(&spy, 13.0, "stop").await;
        assert_eq!(next(&mut spy).await, "stopped one");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_to_be_said_before_a_stop_is_not_said_any_more() {
    on_each_broker(|broker| async move {
        let (service, mut spy) = start(&broker, &speaking(SLOW)).await;
        for (ts, text) in [(10.0, "one"), (11.0, "two"), (13.0, "three")] {
            say(&spy, ts, text).await;
        }
        assert_eq!(next(&mut spy).await, "speaking_start one");
        order(&spy, 12.0, "stop").await;
        for status in ["stopped one", "stopped two", "speaking_start three"] {
            assert_eq!(next(&mut spy).await, status);
        }
        // More of the same answer, which comes late.
        send(&spy, "tts.say", 14.0, &json!({ "text": "four", "utt_id": "u-three" })).await;
        order(&spy, 13.5, "stop").await;
        for status in ["stopped three", "stopped four"] {
            assert_eq!(next(&mut spy).await, status);
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_can_be_ended_by_a_stop_and_commands_need_no_envelope() {
    on_each_broker(|broker| async move {
        let (service, mut spy) = start(&broker, &speaking(SLOW)).await;
        say(&spy, 10.0, "one").await;
        assert_eq!(next(&mut spy).await, "speaking_start one");
        for (action, status) in [("pause", "paused one"), ("stop", "stopped one")] {
            spy.publish("tts/control", json!({ "action": action }).to_string()).await;
            assert_eq!(next(&mut spy).await, status);
        }
        say(&spy, 11.0, "two").await;
        // To a stop that is given now, the year 1970 is a clock that is wrong.
        assert_eq!(next(&mut spy).await, "speaking_start two");
        order(&spy, 12.0, "stop").await;
        assert_eq!(next(&mut spy).await, "stopped two");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spoken_is_written_as_sound() {
    if std::process::Command::new("espeak-ng").arg("--version").output().is_err() {
        assert!(
            std::env::var_os("TARS_MQTT_REQUIRE_ESPEAK").is_none(),
            "espeak-ng is not installed: apt-get install espeak-ng"
        );
        tests::not_run("without espeak-ng, which is not installed");
        return;
    }
    on_each_broker(|broker| async move {
        let folder = tempfile::TempDir::new().unwrap();
        let settings = Settings { wav_dir: Some(folder.path().join("speech")), ..speaking(FAST) };
        let (service, mut spy) = start(&broker, &settings).await;
        let hello = json!({ "text": "--help me, hello", "utt_id": "../u/1" });
        send(&spy, "tts.say", 1.5, &hello).await;
        assert_eq!(next(&mut spy).await, "speaking_start --help me, hello");
        let sound = std::fs::read(folder.path().join("speech/1500-___u_1.wav")).unwrap();
        assert!(sound.starts_with(b"RIFF") && sound.len() > 10_000, "{} bytes", sound.len());
        assert_eq!(next(&mut spy).await, "speaking_end --help me, hello");
        service.stop().await.unwrap();
    })
    .await;
}

#[test]
fn a_setting_that_cannot_be_read_is_an_error_with_its_name() {
    let vars = Vars::new(|name| (name == "TTS_WORDS_PER_MINUTE").then(|| "fast".to_owned()));
    let error = Settings::from_vars(&vars).unwrap_err().to_string();
    let said = "TTS_WORDS_PER_MINUTE is \"fast\", and must be a number from 1 to 1000000";
    assert_eq!(error, said);
}
