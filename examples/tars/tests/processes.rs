//! The robot as processes of their own, of which some are killed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::Value;
use tempfile::TempDir;
use tests::{Mosquitto, Process, Program, Spy};

const SERVICES: [(&str, &str); 10] = [
    ("tars-memory", env!("CARGO_BIN_EXE_tars-memory")),
    ("tars-mcp", env!("CARGO_BIN_EXE_tars-mcp")),
    ("tars-llm", env!("CARGO_BIN_EXE_tars-llm")),
    ("tars-movement", env!("CARGO_BIN_EXE_tars-movement")),
    ("tars-camera", env!("CARGO_BIN_EXE_tars-camera")),
    ("tars-web", env!("CARGO_BIN_EXE_tars-web")),
    ("tars-tts", env!("CARGO_BIN_EXE_tars-tts")),
    ("tars-wake", env!("CARGO_BIN_EXE_tars-wake")),
    ("tars-router", env!("CARGO_BIN_EXE_tars-router")),
    ("tars-stt", env!("CARGO_BIN_EXE_tars-stt")),
];

/// All services, each in a process, and a client that looks on.
struct Robot {
    broker: Mosquitto,
    folder: TempDir,
    services: BTreeMap<&'static str, Process>,
    spy: Spy,
}

impl Robot {
    /// `None` where mosquitto is not installed.
    async fn start() -> Option<Self> {
        let broker = Mosquitto::start().await?;
        let filters =
            ["tts/status", "stt/final", "wake/event", "llm/+", "movement/+", "system/health/+"];
        let spy = Spy::on(broker.port(), &filters).await;
        let folder = TempDir::new().unwrap();
        let mut robot = Self { broker, folder, services: BTreeMap::new(), spy };
        for (name, _) in SERVICES {
            robot.start_service(name).await;
        }
        robot.speaks("System online.").await;
        Some(robot)
    }

    /// Starts a service, and waits until it says that it is ready.
    async fn start_service(&mut self, name: &'static str) {
        let (_, path) = SERVICES.into_iter().find(|(service, _)| *service == name).unwrap();
        let memory = self.folder.path().join("memory.jsonl");
        let program = Program::new(path)
            .env("MQTT_URL", self.broker.url())
            .env("MEMORY_PATH", memory.to_string_lossy())
            // Each word takes 50 ms, so that there is a middle in which something can be killed.
            .env("TTS_WORDS_PER_MINUTE", "1200")
            .env("WEB_ADDRESS", "127.0.0.1:0")
            .listening();
        self.services.insert(name, program.start());
        let topic = format!("system/health/{name}");
        while tests::json(&self.spy.next_on(&topic).await)["data"]["event"] != "ready" {}
    }

    fn kill(&mut self, name: &str) {
        self.services.remove(name).unwrap().kill();
    }

    fn say(&mut self, line: &str) {
        self.services.get_mut("tars-stt").unwrap().tell(line);
    }

    /// Waits for something to happen.
    async fn sees(&mut self, topic: &str, field: &str, value: &str) -> Value {
        loop {
            let data = self.next(topic).await;
            if data[field] == value {
                return data;
            }
        }
    }

    async fn next(&mut self, topic: &str) -> Value {
        tests::json(&self.spy.next_on(topic).await)["data"].clone()
    }

    /// Waits until the answer of the model has been spoken, and gives it.
    async fn speaks_the_answer(&mut self) -> String {
        let reply = self.next("llm/response").await["reply"].as_str().unwrap().to_owned();
        let last = reply.split_inclusive(['.', '!', '?']).next_back().unwrap().trim();
        self.speaks(last).await;
        reply
    }

    /// Waits until this has been spoken.
    async fn speaks(&mut self, text: &str) {
        while self.sees("tts/status", "event", "speaking_end").await["text"] != text {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_remembered_while_the_memory_is_dead_is_recalled_when_it_lives() {
    let Some(mut robot) = Robot::start().await else { return };
    robot.say("hey tars");
    robot.speaks("Hmm?").await;
    robot.say("turn left");
    robot.sees("movement/status", "event", "command_completed").await;
    robot.kill("tars-memory");
    robot.say("hey tars, remember that my cat is called Miez");
    robot.speaks_the_answer().await;
    robot.start_service("tars-memory").await;
    robot.say("hey tars, what is my cat called");
    let recalled = robot.speaks_the_answer().await;
    assert!(recalled.contains("Miez"), "{recalled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_spoken_when_the_voice_is_killed_is_spoken_again() {
    let Some(mut robot) = Robot::start().await else { return };
    robot.say("hey tars");
    robot.speaks("Hmm?").await;
    let count = "one, two, three, four, five, six, seven, eight, nine, ten";
    robot.say(&format!("say {count}"));
    robot.sees("tts/status", "event", "speaking_start").await;
    robot.kill("tars-tts");
    robot.start_service("tars-tts").await;
    robot.speaks(count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_while_the_router_is_dead_is_answered_when_it_lives() {
    let Some(mut robot) = Robot::start().await else { return };
    robot.kill("tars-router");
    robot.say("hey tars, say here I am");
    robot.sees("wake/event", "type", "wake").await;
    robot.start_service("tars-router").await;
    robot.speaks("here I am").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_robot_is_called_while_nobody_listens_and_wakes_up_later() {
    let Some(mut robot) = Robot::start().await else { return };
    robot.kill("tars-wake");
    robot.say("hey tars");
    robot.sees("stt/final", "text", "hey tars").await;
    robot.start_service("tars-wake").await;
    robot.speaks("Hmm?").await;
    robot.say("say good morning");
    robot.speaks("good morning").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_while_the_model_is_dead_is_answered_when_it_lives() {
    let Some(mut robot) = Robot::start().await else { return };
    robot.kill("tars-llm");
    robot.say("hey tars, what is six times seven");
    robot.sees("llm/request", "text", "what is six times seven").await;
    robot.start_service("tars-llm").await;
    robot.speaks_the_answer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_move_while_the_body_is_dead_moves_when_it_lives() {
    let Some(mut robot) = Robot::start().await else { return };
    robot.kill("tars-movement");
    robot.say("hey tars, turn left");
    let request = robot.sees("movement/test", "command", "turn_left").await;
    robot.start_service("tars-movement").await;
    let done = robot.sees("movement/status", "event", "command_completed").await;
    assert_eq!(done["request_id"], request["request_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_service_says_goodbye() {
    let Some(mut robot) = Robot::start().await else { return };
    for (name, _) in SERVICES {
        let service = robot.services.get_mut(name).unwrap();
        service.signal("TERM");
        let code = service.exit_code().await;
        assert_eq!(code, 0, "{name}: {}", service.errors());
        let health = robot.sees(&format!("system/health/{name}"), "event", "shutdown").await;
        assert_eq!(health["ok"], false);
    }
}
