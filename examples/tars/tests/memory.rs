//! The memory, as its neighbours see it. Every test runs against the service.

#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Broker, Mosquitto, Process, Program, Spy, envelope, json, on_each_broker, unique_id};

/// The programs that are the memory.
const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_tars-memory"), env!("CARGO_BIN_EXE_plain-memory")];

/// A memory of its own on a broker, which may be started again.
struct Memory {
    program: &'static str,
    url: String,
    port: u16,
    client_id: String,
    folder: TempDir,
}

impl Memory {
    fn new(program: &'static str, port: u16) -> Self {
        let url = format!("mqtt://127.0.0.1:{port}");
        let (client_id, folder) = (unique_id("memory"), TempDir::new().unwrap());
        Self { program, url, port, client_id, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("memory.jsonl")
    }

    /// What is on disk, line by line.
    fn lines(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.file()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn program(&self) -> Program {
        Program::new(self.program)
            .env("MQTT_URL", &*self.url)
            .env("MQTT_CLIENT_ID", &*self.client_id)
            .env("MQTT_RECONNECT_MIN_DELAY", "0.1")
            .env("MQTT_HEARTBEAT_INTERVAL", "1")
            .env("MEMORY_PATH", self.file().to_str().unwrap())
    }

    /// Starts it, and waits until it takes messages.
    async fn start(&self) -> Process {
        let topic = format!("system/health/{}", self.client_id);
        let mut spy = Spy::on(self.port, &[&topic]).await;
        // What is kept from before is looked at before the start, not after.
        spy.rest();
        let process = self.program().start();
        loop {
            let health = spy.next().await;
            if !health.retain && json(&health)["data"]["ok"] == true {
                return process;
            }
        }
    }
}

async fn on_each<F, Fut>(test: F)
where
    F: Fn(Memory) -> Fut,
    Fut: Future<Output = ()>,
{
    let test = &test;
    on_each_broker(|broker: Broker| async move {
        for program in PROGRAMS {
            test(Memory::new(program, broker.port())).await;
        }
    })
    .await;
}

fn heard(id: &str, text: &str) -> String {
    envelope("stt.final", id, &json!({"message_id": id, "text": text}).to_string())
}

fn said(id: &str, text: &str) -> String {
    envelope("tts.say", id, &json!({"message_id": id, "text": text}).to_string())
}

fn query(id: &str, data: &Value) -> String {
    envelope("memory.query", id, &data.to_string())
}

fn texts(results: &Value) -> Vec<&str> {
    let results = results["data"]["results"].as_array().unwrap();
    results.iter().map(|result| result["document"]["text"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_heard_and_said_is_found_by_who_asks_in_an_envelope_or_without() {
    on_each(|memory| async move {
        let _process = memory.start().await;
        let mut spy = Spy::on(memory.port, &["memory/results"]).await;
        spy.publish("stt/final", heard("1", "my cat is called Tom")).await;
        tests::eventually("it is on disk", || memory.lines().len() == 1).await;
        spy.publish("tts/say", said("1", "A fine name for a cat.")).await;
        tests::eventually("both are on disk", || memory.lines().len() == 2).await;

        spy.publish("memory/query", query("q1", &json!({"text": "what is my cat called"}))).await;
        let results = json(&spy.next().await);
        assert_eq!((&results["id"], &results["type"]), (&json!("q1"), &json!("memory.results")));
        assert_eq!(texts(&results), ["my cat is called Tom", "A fine name for a cat."]);
        let first = &results["data"]["results"][0];
        assert_eq!(first["document"]["role"], "user");
        assert_eq!(first["context_type"], "target");
        assert_eq!(results["data"]["results"][1]["document"]["role"], "assistant");

        let bare = json!({
            "text": "fine", "top_k": 1, "include_context": true, "retrieval_strategy": "hybrid",
        });
        spy.publish("memory/query", bare.to_string()).await;
        let results = json(&spy.next().await);
        assert_eq!(results["id"].as_str().unwrap().len(), 32);
        assert_eq!(results["data"]["k"], 1);
        assert_eq!(texts(&results), ["A fine name for a cat.", "my cat is called Tom"]);
        assert_eq!(results["data"]["results"][1]["context_type"], "before");

        spy.publish("memory/query", query("q2", &json!({"text": "cat", "top_k": 51}))).await;
        spy.publish("memory/query", query("q3", &json!({"text": "cat", "max_tokens": 5}))).await;
        let results = json(&spy.next().await);
        assert_eq!(results["id"], "q3", "one that is out of bounds is not answered");
        assert_eq!(results["data"]["truncated"], true);
        assert_eq!(texts(&results), ["my cat is called Tom"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_before_it_was_killed_is_remembered_once() {
    const MESSAGES: usize = 200;
    on_each(|memory| async move {
        let mut process = memory.start().await;
        let spy = Spy::on(memory.port, &[]).await;
        for number in 0..MESSAGES {
            spy.publish("stt/final", heard(&number.to_string(), "one of many")).await;
            if number == MESSAGES / 2 {
                tests::eventually("some are on disk", || memory.lines().len() > 20).await;
                process.kill();
            }
        }
        let known = memory.lines().len();
        assert!(known < MESSAGES, "it was killed in the middle");
        let _process = memory.start().await;
        // The same message again, as a publisher sends it that has not seen it acknowledged.
        spy.publish("stt/final", heard("0", "one of many")).await;
        spy.publish("stt/final", heard("last", "the end")).await;
        let ids = || -> Vec<String> {
            let lines = memory.lines();
            lines.iter().map(|line| line["said"]["id"].as_str().unwrap().to_owned()).collect()
        };
        // Not in order with every broker: some keep back what they send again.
        let different = || ids().into_iter().collect::<HashSet<_>>().len();
        tests::eventually("all are on disk", || different() == MESSAGES + 1).await;
        assert_eq!(ids().len(), MESSAGES + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_while_it_is_down_is_remembered_too() {
    on_each(|memory| async move {
        let mut process = memory.start().await;
        process.signal("TERM");
        assert_eq!(process.exit_code().await, 0);
        let mut spy = Spy::on(memory.port, &["memory/results"]).await;
        spy.publish("stt/final", heard("1", "nobody hears this")).await;
        spy.publish("memory/query", query("q", &json!({"text": "weather"}))).await;
        let _process = memory.start().await;
        assert_eq!(json(&spy.next().await)["id"], "q");
        tests::eventually("it is on disk", || memory.lines().len() == 1).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_program_takes_the_place_of_the_other_and_back_and_nothing_is_lost() {
    on_each(|mut memory| async move {
        let mut process = memory.start().await;
        for known in 1..=3 {
            process.signal("TERM");
            assert_eq!(process.exit_code().await, 0);
            let spy = Spy::on(memory.port, &[]).await;
            spy.publish("stt/final", heard(&known.to_string(), "nobody hears this")).await;
            memory.program = PROGRAMS.into_iter().find(|other| *other != memory.program).unwrap();
            process = memory.start().await;
            tests::eventually("it is on disk", || memory.lines().len() == known).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_character_is_kept_changed_and_reset() {
    on_each(|memory| async move {
        let mut process = memory.start().await;
        let mut spy = Spy::on(memory.port, &["system/character/current"]).await;
        let mut humor = async |count| {
            let mut humor = Vec::new();
            for _ in 0..count {
                let current = json(&spy.next().await);
                assert_eq!(current["type"], "system.character.current");
                humor.push(current["data"]["traits"]["humor"].clone());
            }
            humor
        };
        assert_eq!(humor(1).await, [75], "at the start, retained");
        let asker = Spy::on(memory.port, &[]).await;
        let update = |id, data: Value| envelope("character.update", id, &data.to_string());
        let set = json!({"section": "traits", "trait": "humor", "value": 5});
        asker.publish("character/update", update("u1", set)).await;
        assert_eq!(humor(1).await, [5]);
        for (id, refused) in [
            ("u2", json!({"section": "voice", "trait": "humor", "value": 6})),
            ("u3", json!({"trait": "humor", "value": 101})),
            ("u4", json!({"action": "forget"})),
        ] {
            asker.publish("character/update", update(id, refused)).await;
        }
        process.logs("`value` is 101").await;
        process.logs(r#"`action` is "forget", and must be "reset_traits""#).await;
        process.kill();

        let _process = memory.start().await;
        assert_eq!(humor(1).await, [5], "a change outlives the process");
        let kept = Spy::on(memory.port, &["system/character/current"]).await.next().await;
        assert!(kept.retain);
        asker.publish("character/update", update("u5", json!({"action": "reset_traits"}))).await;
        assert_eq!(humor(1).await, [75]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_section_of_the_character_is_given_to_who_asks() {
    on_each(|memory| async move {
        let _process = memory.start().await;
        let mut spy = Spy::on(memory.port, &["character/result"]).await;
        for (id, section) in [("c1", json!("name")), ("c2", json!("traits")), ("c3", json!("soul"))]
        {
            let get = envelope("character.get", id, &json!({ "section": section }).to_string());
            spy.publish("character/get", get).await;
            let result = json(&spy.next().await);
            assert_eq!(result["id"], id);
            assert_eq!(result["data"]["section"], section);
            match id {
                "c1" => assert_eq!(result["data"]["value"], "TARS"),
                "c2" => assert_eq!(result["data"]["value"]["honesty"], 90),
                _ => assert_eq!(result["data"]["value"], Value::Null),
            }
        }
        spy.publish("character/get", envelope("character.get", "c4", "{}")).await;
        assert_eq!(json(&spy.next().await)["data"]["value"]["name"], "TARS");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_cannot_be_read_ends_it_with_the_line() {
    on_each(|memory| async move {
        std::fs::write(memory.file(), "{\"said\":{}}\n").unwrap();
        let mut process = memory.program().start();
        assert_eq!(process.exit_code().await, 1);
        let errors = process.errors();
        assert!(errors.contains("memory.jsonl:1: correct or remove the line"), "{errors}");
        assert!(errors.contains("missing field"), "{errors}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_was_cut_off_is_said_and_left_out() {
    on_each(|memory| async move {
        std::fs::write(memory.file(), "{\"said\":{\"id").unwrap();
        let process = memory.start().await;
        let spy = Spy::on(memory.port, &[]).await;
        spy.publish("stt/final", heard("1", "hello")).await;
        process.logs("the last 12 bytes are no whole line, and are written over").await;
        tests::eventually("the line is whole", || {
            std::fs::read_to_string(memory.file()).unwrap().ends_with("}}\n")
        })
        .await;
        assert_eq!(memory.lines()[0]["said"]["text"], "hello");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_back_after_a_lost_connection_and_says_goodbye_at_the_end() {
    on_each(|memory| async move {
        let relay = tests::Relay::to(memory.port).await;
        let memory = Memory { url: relay.url(), ..memory };
        let mut process = memory.start().await;
        let health = format!("system/health/{}", memory.client_id);
        let beats = format!("system/keepalive/{}", memory.client_id);
        let mut beats = Spy::on(memory.port, &[&beats]).await;
        let mut spy = Spy::on(memory.port, &[&health, "memory/results"]).await;
        assert_eq!(json(&spy.next_on(&health).await)["data"]["event"], "ready");
        assert_eq!(json(&beats.next().await)["event"], "heartbeat");
        relay.close();
        assert_eq!(json(&spy.next_on(&health).await)["data"]["event"], "offline");
        spy.publish("stt/final", heard("1", "said while nobody listened")).await;
        relay.open();
        assert_eq!(json(&spy.next_on(&health).await)["data"]["event"], "reconnected");
        tests::eventually("it is on disk", || memory.lines().len() == 1).await;
        spy.publish("memory/query", query("q1", &json!({"text": "listened"}))).await;
        let results = json(&spy.next_on("memory/results").await);
        assert_eq!(texts(&results), ["said while nobody listened"]);
        process.signal("TERM");
        let goodbye = json(&spy.next_on(&health).await);
        assert_eq!(
            (&goodbye["data"]["ok"], &goodbye["data"]["event"]),
            (&json!(false), &json!("shutdown"))
        );
        assert_eq!(process.exit_code().await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_has_forgotten_everything_is_subscribed_to_again() {
    for program in PROGRAMS {
        let Some(mut mosquitto) = Mosquitto::start().await else { return };
        let memory = Memory::new(program, mosquitto.port());
        let _process = memory.start().await;
        // Killed, it has not stored the session.
        mosquitto.restart().await;
        let health = format!("system/health/{}", memory.client_id);
        let mut spy = Spy::on(memory.port, &[&health, "memory/results"]).await;
        // What the broker had not acknowledged before its end, `ready` perhaps, comes again before.
        while json(&spy.next_on(&health).await)["data"]["event"] != "reconnected" {}
        spy.publish("memory/query", query("q1", &json!({"text": "anything"}))).await;
        assert_eq!(json(&spy.next_on("memory/results").await)["id"], "q1");
    }
}
