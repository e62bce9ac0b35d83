use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tests::{free_port, not_run, within};

/// Set where Chromium must be there, so that no test in it is left out unnoticed.
const REQUIRED: &str = "TARS_MQTT_REQUIRE_CHROMIUM";

/// A Chromium without a window, driven over [WebDriver](https://www.w3.org/TR/webdriver2/).
pub(crate) struct Chromium {
    driver: Child,
    http: Client,
    session: String,
}

impl Chromium {
    /// Starts one. `None`, and said on standard error, where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let Some(program) = find("chromedriver") else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "chromedriver is not installed, and {REQUIRED} is set: \
                 apt-get install chromium chromium-driver"
            );
            not_run("in Chromium, which is not installed");
            return None;
        };
        let port = free_port();
        let driver = Command::new(program)
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The browser is in the group too, and is ended with it.
            .process_group(0)
            .spawn()
            .unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let mut browser = Self { driver, http: http_client(), session: address.clone() };
        while browser.http.get(format!("{address}/status")).send().await.is_err() {
            assert_eq!(browser.driver.try_wait().unwrap(), None, "chromedriver has ended");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let options = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage"];
        let wanted = json!({ "alwaysMatch": { "goog:chromeOptions": { "args": options } } });
        let made = browser.call("/session", &json!({ "capabilities": wanted })).await;
        browser.session = format!("{address}/session/{}", made["sessionId"].as_str().unwrap());
        Some(browser)
    }

    pub(crate) async fn open(&self, url: &str) {
        self.call("/url", &json!({ "url": url })).await;
    }

    /// Lets the window have this size, in pixels of CSS.
    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let size =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.call("/goog/cdp/execute", &command).await;
    }

    /// Presses the keys of a text one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes = keys.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|stroke| json!({ "type": stroke, "value": key }))
        });
        let keyboard =
            json!({ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() });
        self.call("/actions", &json!({ "actions": [keyboard] })).await;
    }

    /// Evaluates an expression in the page.
    pub(crate) async fn evaluate(&self, expression: &str) -> Value {
        let script = json!({ "script": format!("return {expression}"), "args": [] });
        self.call("/execute/sync", &script).await
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub(crate) fn until(&self, expression: &str) -> impl Future<Output = ()> {
        let holds = async move {
            while self.evaluate(&format!("Boolean({expression})")).await != true {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(expression.to_owned(), holds)
    }

    async fn call(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let asked = self.http.post(&url).json(body).send();
        let answer = within(path.to_owned(), asked).await.unwrap();
        let succeeded = answer.status().is_success();
        let answer: Value = answer.json().await.unwrap();
        assert!(succeeded, "{path} {body}: {answer}");
        answer["value"].clone()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let group = format!("-{}", self.driver.id());
        // It may have ended by itself.
        let _ = Command::new("sh").args(["-c", "kill -s KILL -- \"$0\"", &group]).status();
        let _ = self.driver.wait();
    }
}

/// It wants to be able to encrypt, also where nothing is encrypted.
fn http_client() -> Client {
    // Another test may have said how already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}
