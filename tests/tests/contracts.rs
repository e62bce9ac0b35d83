//! The envelopes of other services are read and written as those services do it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tars_mqtt::DeadLetter;
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;

const ENVELOPES: &str = include_str!("../fixtures/py-tars/envelopes.jsonl");
const REJECTED: &str = include_str!("../fixtures/py-tars/rejected.json");

#[derive(Debug, Serialize, Deserialize, Event)]
#[event("stt.final")]
struct FinalTranscript {
    message_id: String,
    text: String,
    lang: String,
    #[serde(deserialize_with = "fraction")]
    confidence: Option<f64>,
    utt_id: Option<String>,
    ts: f64,
    is_final: bool,
}

fn fraction<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<f64>, D::Error> {
    match Option::<f64>::deserialize(value)? {
        Some(value) if !(0.0..=1.0).contains(&value) => {
            let error = format!("`confidence` is {value}, and must be from 0 to 1");
            Err(serde::de::Error::custom(error))
        }
        value => Ok(value),
    }
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event("llm.stream", qos = 0)]
struct LlmStreamDelta {
    message_id: String,
    id: String,
    seq: Option<u64>,
    delta: Option<String>,
    done: bool,
    provider: Option<String>,
    model: Option<String>,
}

/// Publishes again what it takes, on a topic beside the first.
#[subscribe]
async fn echo_final(envelope: Envelope<FinalTranscript>, client: Client) -> Result<(), BoxError> {
    echo(&client, &envelope).await
}

#[subscribe]
async fn echo_delta(envelope: Envelope<LlmStreamDelta>, client: Client) -> Result<(), BoxError> {
    echo(&client, &envelope).await
}

type BoxError = tars_mqtt::BoxError;

async fn echo<E: Event + Serialize>(
    client: &Client,
    envelope: &Envelope<E>,
) -> Result<(), BoxError> {
    client.event(&envelope.data).topic("echo").correlate(envelope.id.as_str()).send().await?;
    Ok(())
}

#[tokio::test]
async fn what_python_services_send_is_read_and_written_again_the_same() {
    let app = App::bare(TestApp::config().source("py-tars"))
        .handler::<echo_final>()
        .handler::<echo_delta>();
    let app = TestApp::start(app).await.unwrap();
    let mut checked = 0;
    for line in ENVELOPES.lines() {
        let fixture: Value = serde_json::from_str(line).unwrap();
        let topic = fixture["topic"].as_str().unwrap();
        if topic != FinalTranscript::TOPIC && topic != LlmStreamDelta::TOPIC {
            continue;
        }
        let payload = fixture["payload"].as_str().unwrap();
        app.deliver_message(topic, payload.to_owned()).await;
        let published = app.published_messages();
        let echo: Value = serde_json::from_slice(published[checked].payload()).unwrap();
        let mut expected: Value = serde_json::from_str(payload).unwrap();
        expected["ts"] = echo["ts"].clone();
        assert_eq!(echo, expected);
        let keys = |value: &[u8]| {
            let text = String::from_utf8_lossy(value).into_owned();
            ["\"id\":", "\"type\":", "\"ts\":", "\"source\":", "\"data\":"]
                .map(|key| text.find(key).unwrap())
        };
        assert!(keys(published[checked].payload()).is_sorted());
        checked += 1;
    }
    assert_eq!(checked, 4);
    app.stop().await.unwrap();
}

#[subscribe(dead_letter = "dead/final")]
async fn take_final(transcript: FinalTranscript) {
    drop(transcript);
}

#[tokio::test]
async fn what_python_services_refuse_is_refused_with_the_reason() {
    let app = TestApp::start(App::bare(TestApp::config()).handler::<take_final>()).await.unwrap();
    let rejected: Vec<Value> = serde_json::from_str(REJECTED).unwrap();
    for (number, fixture) in rejected.iter().enumerate() {
        let payload = fixture["payload"].as_str().unwrap().to_owned();
        app.deliver_message(fixture["topic"].as_str().unwrap(), payload).await;
        let letters = app.published::<DeadLetter>();
        assert_eq!(letters.len(), number + 1, "{fixture}");
        let reason = &letters[number].data.reason;
        let expected = match fixture["why"].as_str().unwrap() {
            "unknown envelope field" => "unknown field `extra`",
            "missing type" => "missing field `type`",
            "missing data" => "missing field `data`",
            "data not an object" => "`data` is not an object",
            "ts not a number" => "invalid type: string \"yesterday\"",
            "unknown field in data" => "unknown field `bogus`",
            "missing required data field" => "missing field `text`",
            "confidence out of range" => "`confidence` is 1.5, and must be from 0 to 1",
            "truncated JSON" => "EOF while parsing",
            "not JSON" => "expected value",
            "empty payload" => "the payload is empty",
            "JSON null" => "invalid type: null",
            other => panic!("a new kind of rejection: {other}"),
        };
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    app.stop().await.unwrap();
}

#[tokio::test]
async fn every_envelope_of_the_python_services_can_be_taken_apart() {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parts {
        id: String,
        r#type: String,
        ts: f64,
        source: String,
        data: serde_json::Map<String, Value>,
    }
    for line in ENVELOPES.lines() {
        let fixture: Value = serde_json::from_str(line).unwrap();
        let payload = fixture["payload"].as_str().unwrap();
        // Some events travel without an envelope.
        if let Ok(parts) = serde_json::from_str::<Parts>(payload) {
            assert_eq!(parts.r#type, fixture["type"]);
            assert_eq!((parts.id.len(), parts.source.as_str()), (32, "py-tars"));
            assert!(parts.ts > 1e9 && !parts.data.is_empty(), "{line}");
        }
    }
}
