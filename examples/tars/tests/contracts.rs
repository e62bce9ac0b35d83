//! The events are those of the Python services, with the same bounds.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tars_mqtt::DeadLetter;
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;

const ENVELOPES: &str = include_str!("../../../tests/fixtures/py-tars/envelopes.jsonl");
const REJECTED: &str = include_str!("../../../tests/fixtures/py-tars/rejected.json");
const SCHEMAS: &str = include_str!("../../../tests/fixtures/py-tars/schemas.json");

/// For each event, by the name that Python gives it, a service that publishes again what it takes.
macro_rules! echoes {
    ($($model:literal: $echo:ident($event:ident) $(in $filter:literal)?;)*) => {
        $(
            #[subscribe($($filter,)? dead_letter = "refused")]
            async fn $echo(event: tars::contracts::$event) -> tars::contracts::$event {
                event
            }
        )*

        fn echo(model: &str) -> App {
            let app = App::bare(TestApp::config().source("py-tars"));
            match model {
                $($model => app.handler::<$echo>(),)*
                other => panic!("no event is called {other}"),
            }
        }
    };
}

echoes! {
    "FinalTranscript": final_transcript(FinalTranscript);
    "PartialTranscript": partial_transcript(PartialTranscript);
    "AudioFFTData": audio_fft_data(AudioFftData);
    "TtsSay": tts_say(TtsSay);
    "TtsStatus": tts_status(TtsStatus);
    "TtsControlCommand": tts_control_command(TtsControlCommand);
    "LLMRequest": llm_request(LlmRequest);
    "LLMResponse": llm_response(LlmResponse);
    "LLMStreamDelta": llm_stream_delta(LlmStreamDelta);
    "LLMCancel": llm_cancel(LlmCancel);
    "ToolsRegistry": tools_registry(ToolsRegistry);
    "ToolCallRequest": tool_call_request(ToolCallRequest);
    "ToolCallResult": tool_call_result(ToolCallResult);
    "WakeEvent": wake_event(WakeEvent);
    "WakeMicCommand": wake_mic_command(WakeMicCommand);
    "MemoryQuery": memory_query(MemoryQuery);
    "MemoryResults": memory_results(MemoryResults);
    "CharacterGetRequest": character_get_request(CharacterGetRequest);
    "CharacterSection": character_section(CharacterSection);
    "CharacterSnapshot": character_snapshot(CharacterSnapshot);
    "CharacterTraitUpdate": character_trait_update(CharacterTraitUpdate);
    "CharacterResetTraits": character_reset_traits(CharacterResetTraits);
    "CharacterUpdate": character_update(CharacterUpdate);
    "MovementCommand": movement_command(MovementCommand);
    "MovementFrame": movement_frame(MovementFrame);
    "MovementState": movement_state(MovementState);
    "TestMovementRequest": test_movement_request(TestMovementRequest);
    "EmergencyStopCommand": emergency_stop_command(EmergencyStopCommand);
    "MovementStatusUpdate": movement_status_update(MovementStatusUpdate);
    "CameraCaptureRequest": camera_capture_request(CameraCaptureRequest);
    "CameraImageResponse": camera_image_response(CameraImageResponse);
    "CameraFrame": camera_frame(CameraFrame);
    "CameraStatusUpdate": camera_status_update(CameraStatusUpdate);
}

/// [`HealthPing`](tars::contracts::HealthPing) has a part that stands in the topic alone.
#[subscribe("system/health/{service}", dead_letter = "refused")]
async fn health_ping(
    service: String,
    ping: tars::contracts::HealthPing,
) -> tars::contracts::HealthPing {
    tars::contracts::HealthPing { service, ..ping }
}

/// Delivers to an [`echo`], and gives what comes back, or why it was refused.
struct Echo(TestApp);

impl Echo {
    async fn of(model: &str) -> Self {
        let app = match model {
            "HealthPing" => App::bare(TestApp::config().source("py-tars")).handler::<health_ping>(),
            _ => echo(model),
        };
        Self(TestApp::start(app).await.unwrap())
    }

    async fn envelope(&self, topic: &str, payload: impl Into<Bytes>) -> Result<Message, String> {
        self.0.deliver_message(topic, payload).await;
        let message = self.0.published_messages().pop().expect("an answer");
        match self.0.published::<DeadLetter>().pop() {
            Some(letter) if message.topic() == "refused" => Err(letter.data.reason),
            _ => Ok(message),
        }
    }

    async fn data(&self, schema: &Value, data: &Value) -> Result<Value, String> {
        let envelope = json!({ "id": "1", "type": schema["type"], "ts": 1.5, "source": "tests", "data": data });
        let topic = schema["topic"].as_str().unwrap();
        let message = self.envelope(topic, envelope.to_string()).await?;
        Ok(read(&message)["data"].clone())
    }
}

fn read(message: &Message) -> Value {
    serde_json::from_slice(message.payload()).unwrap()
}

fn fixtures() -> impl Iterator<Item = Value> {
    ENVELOPES.lines().map(|line| serde_json::from_str(line).unwrap())
}

fn schemas() -> serde_json::Map<String, Value> {
    serde_json::from_str(SCHEMAS).unwrap()
}

/// The data of a fixture.
fn example(model: &str, case: &str) -> Value {
    let fixture = fixtures().find(|it| it["model"] == model && it["case"] == case).unwrap();
    let payload: Value = serde_json::from_str(fixture["payload"].as_str().unwrap()).unwrap();
    payload["data"].clone()
}

#[tokio::test]
async fn what_python_services_send_is_read_and_written_again_the_same() {
    let mut checked = 0;
    for fixture in fixtures() {
        let echo = Echo::of(fixture["model"].as_str().unwrap()).await;
        let topic = fixture["topic"].as_str().unwrap();
        let payload = fixture["payload"].as_str().unwrap();
        let message = echo.envelope(topic, payload.to_owned()).await.unwrap();
        let mut expected: Value = serde_json::from_str(payload).unwrap();
        let written = read(&message);
        expected["ts"] = written["ts"].clone();
        assert_eq!(written, expected);
        assert_eq!(written["type"], fixture["type"]);
        assert_eq!(message.topic(), topic);
        assert_eq!(u64::from(message.qos() as u8), fixture["qos"].as_u64().unwrap(), "{topic}");
        assert_eq!(message.retain(), fixture["retain"].as_bool().unwrap(), "{topic}");
        checked += 1;
    }
    assert_eq!(checked, 66);
}

#[tokio::test]
async fn what_python_services_refuse_is_refused_with_the_reason() {
    let echo = Echo::of("FinalTranscript").await;
    let rejected: Vec<Value> = serde_json::from_str(REJECTED).unwrap();
    for fixture in &rejected {
        let payload = fixture["payload"].as_str().unwrap().to_owned();
        let outcome = echo.envelope(fixture["topic"].as_str().unwrap(), payload).await;
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
        let reason = outcome.unwrap_err();
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    assert_eq!(rejected.len(), 12);
}

/// A schema without `null`, and without what it refers to.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    if let Some(options) = schema["anyOf"].as_array() {
        let other = options.iter().find(|option| option["type"] != "null").unwrap();
        return resolved(other, root);
    }
    match schema["$ref"].as_str() {
        Some(name) => &root["$defs"][name.rsplit('/').next().unwrap()],
        None => schema,
    }
}

/// What a property's schema forbids, and what the error must say about it.
fn violations(field: &str, schema: &Value) -> Vec<(Value, Vec<String>)> {
    let number = |value: &Value| value.as_f64().unwrap();
    let mut found = Vec::new();
    let whole = schema["type"] == "integer";
    let beyond = |bound: f64, step: f64| {
        let value = bound + if whole { step } else { step / 2.0 };
        #[expect(clippy::cast_possible_truncation, reason = "it is a whole number")]
        if whole { json!(value as i64) } else { json!(value) }
    };
    let mut violate = |bound: &Value, step| {
        let value = beyond(number(bound), step);
        let said = [format!("`{field}` is {value}"), format!(" {}", number(bound))];
        found.push((value, said.into()));
    };
    if !schema["minimum"].is_null() {
        violate(&schema["minimum"], -1.0);
    }
    if !schema["maximum"].is_null() {
        violate(&schema["maximum"], 1.0);
    }
    if let Some(words) = schema["enum"].as_array() {
        let mut said = vec![format!("`{field}`: "), "`something else`".to_owned()];
        said.extend(words.iter().map(|word| format!("`{}`", word.as_str().unwrap())));
        found.push((json!("something else"), said));
    }
    found
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_with_the_field_and_the_bound() {
    let mut checked = 0;
    for (model, schema) in schemas() {
        let echo = Echo::of(&model).await;
        let root = &schema["json_schema"];
        for (field, property) in root["properties"].as_object().unwrap() {
            for (value, said) in violations(field, resolved(property, root)) {
                let mut data = example(&model, "full");
                data[field] = value;
                let reason = echo.data(&schema, &data).await.unwrap_err();
                for part in said {
                    assert!(reason.contains(&part), "{model}: no {part} in: {reason}");
                }
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 41);
}

#[tokio::test]
async fn the_value_at_a_bound_is_taken() {
    let mut checked = 0;
    for (model, schema) in schemas() {
        let echo = Echo::of(&model).await;
        let root = &schema["json_schema"];
        for (field, property) in root["properties"].as_object().unwrap() {
            let property = resolved(property, root);
            let words = property["enum"].as_array().cloned().unwrap_or_default();
            let bounds = [property["minimum"].clone(), property["maximum"].clone()];
            for value in bounds.into_iter().filter(|bound| !bound.is_null()).chain(words) {
                let is_fraction = property["type"] == "number";
                let value = if is_fraction { json!(value.as_f64()) } else { value };
                let mut data = example(&model, "full");
                data[field] = value;
                assert_eq!(echo.data(&schema, &data).await, Ok(data), "{model}");
                checked += 1;
            }
        }
    }
    assert_eq!(checked, 100);
}

#[tokio::test]
async fn the_bounds_of_a_message_within_a_message_hold_too() {
    let schema = &schemas()["LLMRequest"];
    let echo = Echo::of("LLMRequest").await;
    let mut data = example("LLMRequest", "full");
    data["conversation_history"][0]["role"] = json!("system");
    let reason = echo.data(schema, &data).await.unwrap_err();
    assert!(reason.contains("`role`: unknown variant `system`"), "{reason}");
    assert!(reason.contains("`user` or `assistant`"), "{reason}");
}

#[tokio::test]
async fn what_must_be_there_may_not_be_left_out() {
    let mut checked = 0;
    for (model, schema) in schemas() {
        let echo = Echo::of(&model).await;
        for field in schema["json_schema"]["required"].as_array().into_iter().flatten() {
            let field = field.as_str().unwrap();
            let mut data = example(&model, "full");
            data.as_object_mut().unwrap().remove(field);
            let reason = echo.data(&schema, &data).await.unwrap_err();
            assert!(reason.contains(&format!("missing field `{field}`")), "{model}: {reason}");
            checked += 1;
        }
    }
    assert_eq!(checked, 49);
}

#[tokio::test]
async fn a_field_that_an_event_does_not_have_is_refused() {
    for (model, schema) in schemas() {
        let echo = Echo::of(&model).await;
        let mut data = example(&model, "full");
        data["bogus"] = json!(1);
        let reason = echo.data(&schema, &data).await.unwrap_err();
        assert!(reason.contains("unknown field `bogus`"), "{model}: {reason}");
    }
}

#[tokio::test]
async fn what_is_left_out_takes_its_default() {
    for (model, schema) in schemas() {
        let echo = Echo::of(&model).await;
        let root = &schema["json_schema"];
        let required = root["required"].as_array().cloned().unwrap_or_default();
        let mut least = example(&model, "minimal");
        least.as_object_mut().unwrap().retain(|field, _| required.contains(&json!(field)));
        let data = echo.data(&schema, &least).await.unwrap();
        for (field, property) in root["properties"].as_object().unwrap() {
            let value =
                data.get(field).unwrap_or_else(|| panic!("{model} is written with {field}"));
            match property.get("default") {
                Some(default) => assert_eq!(value, default, "{model}.{field}"),
                None if required.contains(&json!(field)) => {
                    assert_eq!(value, &least[field], "{model}.{field}");
                }
                // Made anew for each.
                None => match property["type"].as_str().unwrap() {
                    "string" => assert_eq!(value.as_str().unwrap().len(), 32, "{model}.{field}"),
                    "number" => assert!(value.as_f64().unwrap() > 1.7e9, "{model}.{field}"),
                    "object" => assert_eq!(value, &json!({}), "{model}.{field}"),
                    "array" => assert_eq!(value, &json!([]), "{model}.{field}"),
                    other => panic!("{model}.{field} is {other}"),
                },
            }
        }
    }
}

#[tokio::test]
async fn either_change_of_the_character_is_told_from_the_other() {
    let schema = &schemas()["CharacterTraitUpdate"];
    let echo = Echo::of("CharacterUpdate").await;
    for model in ["CharacterTraitUpdate", "CharacterResetTraits"] {
        let data = example(model, "full");
        assert_eq!(echo.data(schema, &data).await, Ok(data));
    }
    for (data, said) in [
        (json!({ "trait": "humor", "value": 101 }), "`value` is 101, and must be from 0 to 100"),
        (json!({ "trait": "humor" }), "missing field `value`"),
        (json!({ "trait": "humor", "value": 1, "x": 1 }), "unknown field `x`"),
        (json!({ "bogus": 1 }), "unknown field `bogus`"),
    ] {
        let reason = echo.data(schema, &data).await.unwrap_err();
        assert!(reason.contains(said), "{said}: {reason}");
    }
}
