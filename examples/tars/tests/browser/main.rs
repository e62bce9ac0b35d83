//! The page, as someone with a browser and a keyboard has it.

#![allow(clippy::unwrap_used)]

mod chromium;

use chromium::Chromium;
use tars::contracts::{LlmRequest, LlmResponse, LlmStreamDelta, TtsEvent, TtsSay, TtsStatus};
use tars_mqtt::prelude::*;
use tars_mqtt::rumqttc::Publish;
use tests::{Broker, Process, Program, Spy, free_port, json, on_each_broker};

const ESCAPE: &str = "\u{e00c}";
const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";

/// The programs of some services, on one broker.
struct Stack {
    url: String,
    page: String,
    programs: Vec<(&'static str, Process)>,
}

impl Stack {
    fn on(broker: &Broker) -> Self {
        let page = format!("127.0.0.1:{}", free_port());
        Self { url: broker.url(), page, programs: Vec::new() }
    }

    async fn start(&mut self, name: &'static str, path: &str) {
        let program = Program::new(path)
            .env("MQTT_URL", &self.url)
            .env("MQTT_CLIENT_ID", name)
            .env("MQTT_HEARTBEAT_INTERVAL", "1")
            .env("WEB_ADDRESS", &self.page)
            .env("WEB_HEARTBEAT_SEC", "1")
            .start();
        program.logs("ready").await;
        self.programs.push((name, program));
    }

    fn kill(&mut self, name: &str) {
        let (_, program) = self.programs.iter_mut().find(|(other, _)| *other == name).unwrap();
        program.kill();
    }

    fn page(&self) -> String {
        format!("http://{}/", self.page)
    }
}

fn tile(service: &str, state: &str) -> String {
    format!("document.querySelector('[data-service={service}][data-state={state}]')")
}

fn shown(text: &str) -> String {
    format!("document.getElementById('entries').textContent.includes({text:?})")
}
