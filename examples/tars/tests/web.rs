//! The page's server: what it publishes for whom, and what it tells the page.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tars::vars::Vars;
use tars::web::{self, Settings};
use tars_mqtt::Running;
use tars_mqtt::broker::EmbeddedBroker;
use tars_mqtt::prelude::{App, Config};
use tars_mqtt::rumqttc::QoS;
use tests::{Broker, Program, Relay, Spy, envelope, eventually, on_each_broker, unique_id, within};

/// A page that is served, and a browser for it.
struct Site {
    service: Running,
    url: String,
    http: Client,
}

impl Site {
    async fn on(broker: &Broker) -> Self {
        Self::with(broker.config("web")).await
    }

    async fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let settings = Settings::from_vars(&Vars::new(|_| None)).unwrap();
        let app = web::with(App::new(config), settings, listener);
        Self { service: app.start().await.unwrap(), url, http: http_client() }
    }

    async fn get(&self, path: &str) -> Response {
        let asked = self.http.get(format!("{}{path}", self.url)).send();
        within(path.to_owned(), asked).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        let asked = self.http.post(format!("{}{path}", self.url)).json(body).send();
        within(path.to_owned(), asked).await.unwrap()
    }

    async fn news(&self) -> News {
        News { response: self.get("/events").await, text: String::new() }
    }
}

/// It wants to be able to encrypt, also where nothing is encrypted.
fn http_client() -> Client {
    // Another test may have said how already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new()
}

/// What the page is told.
struct News {
    response: Response,
    text: String,
}

impl News {
    /// The next of a kind. Others are passed over.
    #[track_caller]
    fn next(&mut self, kind: &str) -> impl Future<Output = Value> {
        let found = async move {
            loop {
                let mut news = self.one().await;
                if !news[kind].is_null() {
                    return news[kind].take();
                }
            }
        };
        within(format!("news of {kind}"), found)
    }

    async fn one(&mut self) -> Value {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                return serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
            }
            let chunk = self.response.chunk().await.unwrap().expect("the news go on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_typed_is_said_to_the_robot() {
    on_each_broker(|broker| async move {
        let site = Site::on(&broker).await;
        let mut spy = Spy::on(broker.port(), &["stt/final"]).await;
        let answer = site.post("/say", &json!({ "text": " what time is it? " })).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let said = tests::json(&spy.next().await);
        assert_eq!(said["type"], "stt.final");
        assert_eq!(said["data"]["text"], "hey tars, what time is it?");
        assert_eq!(said["data"]["utt_id"].as_str().unwrap().len(), 32);
        site.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_stop_is_confirmed_when_the_broker_has_it() {
    on_each_broker(|broker| async move {
        let site = Site::on(&broker).await;
        let mut spy = Spy::on(broker.port(), &["movement/stop"]).await;
        let answer = site.post("/stop", &json!({ "reason": "a hand in the way" })).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let stop = spy.next().await;
        assert_eq!(stop.qos, QoS::AtLeastOnce);
        assert_eq!(tests::json(&stop)["data"]["reason"], "a hand in the way");
        site.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_stop_that_the_broker_does_not_take_is_not_confirmed() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        let site = Site::with(Config::new(relay.url(), unique_id("web")).unwrap()).await;
        let mut news = site.news().await;
        relay.close();
        assert_eq!(news.next("broker").await, false);

        let stop = site.post("/stop", &json!({})).await;
        assert_eq!(stop.status(), StatusCode::GATEWAY_TIMEOUT);
        let say = site.post("/say", &json!({ "text": "hello" })).await;
        assert_eq!(say.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(say.text().await.unwrap(), "the broker is away");

        let mut spy = Spy::on(broker.port(), &["movement/stop", "stt/final"]).await;
        relay.open();
        assert_eq!(spy.next().await.topic, "movement/stop", "late is better than never");
        assert_eq!(news.next("broker").await, true);
        site.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_asked_and_its_answer_is_shown_to_everyone() {
    on_each_broker(|broker| async move {
        let site = Site::on(&broker).await;
        let mut news = site.news().await;
        let mut spy = Spy::on(broker.port(), &["memory/query"]).await;
        let asked = tokio::spawn({
            let request = site.http.get(format!("{}/memory?q=my%20cat", site.url));
            async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
        });
        let query = tests::json(&spy.next().await);
        assert_eq!(query["data"]["text"], "my cat");
        let found = json!({ "query": "my cat", "k": 5, "results": [{ "document": "Tom" }] });
        let results = envelope("memory.results", query["id"].as_str().unwrap(), &found.to_string());
        spy.publish("memory/results", results).await;
        let shown = json!({
            "query": "my cat",
            "found": [{ "text": "Tom", "score": null, "timestamp": null }],
        });
        assert_eq!(within("the answer", asked).await.unwrap(), shown);
        assert_eq!(news.next("memory").await, shown);
        site.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_told_what_there_is_and_then_what_happens() {
    on_each_broker(|broker| async move {
        let spy = Spy::on(broker.port(), &[]).await;
        let report = |ok: bool, event: &str| {
            let data = json!({ "ok": ok, "event": event, "err": null, "timestamp": 1.0 });
            envelope("health.status", "1", &data.to_string())
        };
        let topic = "system/health/tars-camera";
        spy.publish_as(topic, report(false, "offline"), QoS::AtLeastOnce, true).await;

        let site = Site::on(&broker).await;
        let mut news = site.news().await;
        let mut snapshot = news.next("snapshot").await;
        let camera = |services: &Value| {
            let services = services.as_array().unwrap();
            services.iter().find(|service| service["name"] == "tars-camera").unwrap().clone()
        };
        if camera(&snapshot["services"])["state"] == "unknown" {
            snapshot["services"] = json!([news.next("service").await]);
        }
        let kept = camera(&snapshot["services"]);
        assert_eq!((&kept["state"], &kept["seen"]), (&json!("down"), &Value::Null));
        spy.publish(topic, report(true, "ready")).await;
        assert_eq!(news.next("service").await["state"], "ready");
        spy.publish(
            "system/keepalive/tars-mcp",
            r#"{"ok":true,"event":"heartbeat","timestamp":1}"#,
        )
        .await;
        assert_eq!(news.next("service").await["state"], "alive");

        let say = json!({ "text": "Hello.", "utt_id": "u1" });
        spy.publish("tts/say", envelope("tts.say", "u1", &say.to_string())).await;
        let entry = news.next("entry").await;
        assert_eq!(entry["said"], json!([{ "text": "Hello.", "state": "waiting" }]));
        let state = json!({ "id": "m1", "event": "completed" });
        spy.publish("movement/state", envelope("movement.state", "m1", &state.to_string())).await;
        assert_eq!(news.next("movement").await["state"]["event"], "completed");

        let later = site.news().await.next("snapshot").await;
        assert_eq!(later["entries"][0]["said"][0]["text"], "Hello.");
        assert_eq!(camera(&later["services"])["state"], "ready");
        assert_eq!(later["movement"]["state"]["event"], "completed");
        spy.publish_as(topic, "", QoS::AtLeastOnce, true).await;
        site.service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_from_the_page_or_make_no_sense_are_refused() {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.unwrap();
    let broker = Broker::Embedded(broker);
    let site = Site::on(&broker).await;
    let mut spy = Spy::on(broker.port(), &["stt/final", "movement/stop", "memory/query"]).await;
    let post = |path: &str| site.http.post(format!("{}{path}", site.url)).json(&json!({}));
    let get = |path: &str| site.http.get(format!("{}{path}", site.url));
    let say = |text: String| post("/say").json(&json!({ "text": text }));
    for (request, status) in [
        (post("/stop").header("origin", "http://evil.example"), StatusCode::FORBIDDEN),
        (post("/stop").header("host", "evil.example"), StatusCode::MISDIRECTED_REQUEST),
        (
            site.http.post(format!("{}/stop", site.url)).body("{}"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (get("/memory?q=x").header("sec-fetch-site", "cross-site"), StatusCode::FORBIDDEN),
        (get("/events").header("host", "evil.example"), StatusCode::MISDIRECTED_REQUEST),
        (get("/memory?q="), StatusCode::UNPROCESSABLE_ENTITY),
        (say(" ".to_owned()), StatusCode::UNPROCESSABLE_ENTITY),
        (say("x".repeat(1001)), StatusCode::UNPROCESSABLE_ENTITY),
        (say("x".repeat(100_000)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = within("an answer", request.send()).await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.url());
    }
    let accepted = site.post("/say", &json!({ "text": "still there?" })).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let said = tests::json(&spy.next().await);
    assert_eq!(said["data"]["text"], "hey tars, still there?", "nothing came before");
    site.service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_uses_nothing_from_elsewhere() {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.unwrap();
    let site = Site::on(&Broker::Embedded(broker)).await;
    for (path, media_type) in
        [("/", "text/html"), ("/style.css", "text/css"), ("/app.js", "text/javascript")]
    {
        let part = site.get(path).await;
        assert_eq!(part.status(), StatusCode::OK);
        let headers = part.headers();
        assert!(headers["content-type"].to_str().unwrap().starts_with(media_type), "{headers:?}");
        assert!(headers["content-security-policy"].to_str().unwrap().contains("'none'"));
        let text = part.text().await.unwrap();
        assert!(!text.contains("://") && !text.contains("innerHTML"), "{path}");
    }
    site.service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_stops_with_the_service_also_while_someone_looks() {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.unwrap();
    let site = Site::on(&Broker::Embedded(broker)).await;
    let mut news = site.news().await;
    news.next("snapshot").await;
    site.service.stop().await.unwrap();
    let over = async { while news.response.chunk().await.is_ok_and(|chunk| chunk.is_some()) {} };
    within("the end of the news", over).await;
    let address = site.url.trim_start_matches("http://").to_owned();
    eventually("the port is free", || std::net::TcpStream::connect(&address).is_err()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_an_error_that_says_what_to_set() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _holder = TcpListener::bind(taken).unwrap();
    let mut program = Program::new(env!("CARGO_BIN_EXE_tars-web"))
        .env("MQTT_URL", "mqtt://127.0.0.1:1")
        .env("WEB_ADDRESS", taken.to_string())
        .start();
    assert_eq!(program.exit_code().await, 1);
    let errors = program.errors();
    assert!(errors.contains(&format!("served on {taken}: set WEB_ADDRESS")), "{errors}");
}
