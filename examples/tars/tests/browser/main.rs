//! The page, as someone with a browser and a keyboard has it.

#![allow(clippy::unwrap_used)]

mod chromium;

use chromium::Chromium;
use serde_json::json;
use tempfile::TempDir;
use tests::{Broker, Process, Program, Spy, free_port, on_each_broker};

const ESCAPE: &str = "\u{e00c}";
const ENTER: &str = "\u{e007}";
const TAB: &str = "\u{e004}";

const RED: usize = 0;
const GREEN: usize = 1;

/// The robot as far as it is needed to talk to it, each service in a process of its own.
const SERVICES: [(&str, &str); 7] = [
    ("tars-memory", env!("CARGO_BIN_EXE_tars-memory")),
    ("tars-mcp", env!("CARGO_BIN_EXE_tars-mcp")),
    ("tars-llm", env!("CARGO_BIN_EXE_tars-llm")),
    ("tars-tts", env!("CARGO_BIN_EXE_tars-tts")),
    ("tars-wake", env!("CARGO_BIN_EXE_tars-wake")),
    ("tars-router", env!("CARGO_BIN_EXE_tars-router")),
    ("tars-web", env!("CARGO_BIN_EXE_tars-web")),
];

struct Robot {
    broker: String,
    page: String,
    folder: TempDir,
    running: Vec<(&'static str, Process)>,
}

impl Robot {
    async fn on(broker: &Broker) -> Self {
        let page = format!("127.0.0.1:{}", free_port());
        let folder = TempDir::new().unwrap();
        let mut robot = Self { broker: broker.url(), page, folder, running: Vec::new() };
        for (name, _) in SERVICES {
            robot.start(name).await;
        }
        robot
    }

    async fn start(&mut self, name: &'static str) {
        let (_, path) = SERVICES.into_iter().find(|(other, _)| *other == name).unwrap();
        let memory = self.folder.path().join("memory.jsonl");
        let process = Program::new(path)
            .env("MQTT_URL", &self.broker)
            .env("MQTT_HEARTBEAT_INTERVAL", "1")
            .env("MEMORY_PATH", memory.to_string_lossy())
            .env("TTS_WORDS_PER_MINUTE", "1200")
            .env("WEB_ADDRESS", &self.page)
            .env("WEB_HEARTBEAT_SEC", "1")
            .start();
        if name == "tars-web" {
            process.logs("the page is on").await;
        }
        self.running.push((name, process));
    }

    fn kill(&mut self, name: &str) {
        let place = self.running.iter().position(|(other, _)| *other == name).unwrap();
        self.running.remove(place).1.kill();
    }

    fn url(&self) -> String {
        format!("http://{}/", self.page)
    }
}

/// Whether a service is shown to be in a state.
fn tile(service: &str, state: &str) -> String {
    format!("document.querySelector('[data-service={service}][data-state={state}]')")
}

/// Whether the connection to the server of the page is shown to be in a state.
fn link(state: &str) -> String {
    format!("document.querySelector('#link[data-state={state}]')")
}

/// Whether something is shown that was heard.
fn heard(text: &str) -> String {
    format!("[...document.querySelectorAll('.heard')].some(e => e.textContent.includes({text:?}))")
}

/// Whether something is shown to have been spoken.
fn spoken(pattern: &str) -> String {
    format!(
        "[...document.querySelectorAll('.reply [data-state=spoken]')]\
         .some(e => /{pattern}/.test(e.textContent))"
    )
}

/// Whether the mark of a service is of a colour in which this part of red, green and blue prevails.
fn marked(service: &str, part: usize) -> String {
    format!(
        "(colour => colour.every((part, n) => n === {part} || part * 1.3 < colour[{part}]))\
         (getComputedStyle(document.querySelector('[data-service={service}]'))\
         .borderLeftColor.match(/\\d+/g).map(Number))"
    )
}

/// What reaches over the right edge of the window.
const OVERFLOW: &str = "[...document.body.querySelectorAll('*')]\
    .filter(e => !e.closest('.unseen, .skip'))\
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth)\
    .map(e => e.outerHTML.slice(0, 80))";

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_question_is_answered_and_a_service_that_is_killed_goes_red() {
    on_each_broker(|broker| async move {
        let Some(browser) = Chromium::start().await else { return };
        let mut robot = Robot::on(&broker).await;
        browser.open(&robot.url()).await;
        for (service, _) in SERVICES {
            browser.until(&tile(service, "ready")).await;
            browser.until(&marked(service, GREEN)).await;
        }
        browser.until(&tile("tars-camera", "unknown")).await;

        // With nothing but the keyboard: over the link at the head of the page.
        browser.press(&format!("{TAB}{ENTER}What is 6 times 7?{ENTER}")).await;
        browser.until(&heard("hey tars, What is 6 times 7?")).await;
        browser.until(&spoken("\\b42\\b")).await;

        robot.kill("tars-llm");
        browser.until(&tile("tars-llm", "down")).await;
        browser.until(&marked("tars-llm", RED)).await;
        robot.start("tars-llm").await;
        browser.until(&tile("tars-llm", "ready")).await;
        browser.until(&marked("tars-llm", GREEN)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_emergency_stop_works_with_one_key_wherever_the_focus_is() {
    on_each_broker(|broker| async move {
        let Some(browser) = Chromium::start().await else { return };
        let robot = Robot::on(&broker).await;
        let mut spy = Spy::on(broker.port(), &["movement/stop"]).await;
        browser.open(&robot.url()).await;
        browser.until(&link("live")).await;
        let confirmed = "document.querySelector('#alert.good:not([hidden])')";
        browser.press(ESCAPE).await;
        assert_eq!(tests::json(&spy.next().await)["type"], "movement.stop");
        browser.until(confirmed).await;
        // Into the box, and with something half typed.
        browser.press(&format!("{TAB}{ENTER}go on{ESCAPE}")).await;
        assert_eq!(tests::json(&spy.next().await)["type"], "movement.stop");
        let typed = browser.evaluate("document.getElementById('text').value").await;
        assert_eq!(typed, "go on");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_when_its_server_is_gone_and_catches_up_when_it_is_back() {
    on_each_broker(|broker| async move {
        let Some(browser) = Chromium::start().await else { return };
        let mut robot = Robot::on(&broker).await;
        browser.open(&robot.url()).await;
        browser.until(&tile("tars-tts", "ready")).await;
        robot.kill("tars-web");
        browser.until(&link("gone")).await;
        robot.kill("tars-tts");
        robot.start("tars-web").await;
        browser.until(&link("live")).await;
        browser.until(&tile("tars-tts", "down")).await;

        browser.press(&format!("{TAB}{ENTER}say so{ENTER}")).await;
        browser.until(&heard("hey tars, say so")).await;
        browser.open(&robot.url()).await;
        browser.until(&heard("hey tars, say so")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone() {
    on_each_broker(|broker| async move {
        let Some(browser) = Chromium::start().await else { return };
        let robot = Robot::on(&broker).await;
        browser.resize(360, 740).await;
        browser.open(&robot.url()).await;
        browser.until(&tile("tars-web", "ready")).await;
        let long = "Donaudampfschifffahrtsgesellschaft".repeat(4);
        browser.press(&format!("{TAB}{ENTER}say {long}{ENTER}")).await;
        browser.until(&spoken(&long)).await;
        assert_eq!(browser.evaluate("innerWidth").await, 360);
        assert_eq!(browser.evaluate(OVERFLOW).await, json!([]));
        assert_eq!(browser.evaluate("document.documentElement.scrollWidth").await, 360);
    })
    .await;
}
