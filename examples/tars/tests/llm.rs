//! The language model, as its neighbours see it: rules, and a server that the tests play.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response};
use axum::routing::post;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tars::llm::{OpenAi, Settings};
use tars_mqtt::Running;
use tars_mqtt::prelude::*;
use tests::{Broker, Spy, envelope, json, on_each_broker, within};
use tokio::sync::mpsc;

/// What the server answers to one request after the other.
enum Script {
    /// These events, and then the end.
    Events(Vec<Value>),
    /// This text, and then nothing for ever.
    Hangs(&'static str),
    /// An error.
    Refuses(u16, &'static str),
}

/// A server with the interface of a language model.
struct Server {
    url: String,
    scripts: Scripts,
    asked: mpsc::UnboundedReceiver<(HeaderMap, Value)>,
    /// Told when a client has gone away from a stream that hangs.
    left: mpsc::UnboundedReceiver<()>,
}

type Scripts = Arc<Mutex<VecDeque<Script>>>;

impl Server {
    async fn start(scripts: impl IntoIterator<Item = Script>) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        let (leaves, left) = mpsc::unbounded_channel();
        let scripts: Scripts = Arc::new(Mutex::new(scripts.into_iter().collect()));
        let shared = scripts.clone();
        let complete = async move |headers: HeaderMap, body: String| {
            asks.send((headers, serde_json::from_str(&body).unwrap())).unwrap();
            let script = shared.lock().unwrap().pop_front().unwrap();
            respond(script, leaves)
        };
        let router = Router::new().route("/v1/chat/completions", post(complete));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, scripts, asked, left }
    }

    async fn asked(&mut self) -> (HeaderMap, Value) {
        within("a request to the server", self.asked.recv()).await.unwrap()
    }

    /// Asks until the model is told what it is to know. What it is told comes on other topics than the
    /// requests, and those are handled side by side.
    async fn told(&mut self, spy: &mut Spy, knows: impl Fn(&Value) -> bool) {
        loop {
            let plain = Script::Events(vec![says("Yes."), finishes("stop")]);
            self.scripts.lock().unwrap().push_front(plain);
            spy.publish("llm/request", request("r0", "hi", &json!({"stream": false}))).await;
            response(spy, "r0").await;
            if knows(&self.asked().await.1) {
                return;
            }
        }
    }
}

fn respond(script: Script, leaves: mpsc::UnboundedSender<()>) -> Response<Body> {
    let events = |events: Vec<Value>| events.into_iter().map(|event| format!("data: {event}\n\n"));
    let stream = |body| Response::builder().header("content-type", "text/event-stream").body(body);
    match script {
        Script::Events(all) => {
            stream(Body::from(events(all).collect::<String>() + "data: [DONE]\n\n")).unwrap()
        }
        Script::Hangs(text) => {
            let first: Vec<_> = events(vec![says(text)]).collect();
            let leaving = Leaving(leaves);
            let endless = stream::iter(first).chain(stream::pending()).map(move |event| {
                let _ = &leaving;
                Ok::<_, std::io::Error>(event)
            });
            stream(Body::from_stream(endless)).unwrap()
        }
        Script::Refuses(status, body) => {
            Response::builder().status(status).body(Body::from(body)).unwrap()
        }
    }
}

struct Leaving(mpsc::UnboundedSender<()>);

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn says(text: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
}

fn finishes(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

fn settings(server: Option<&Server>) -> Settings {
    let openai = server.map(|server| OpenAi {
        base_url: server.url.parse().unwrap(),
        authorization: Some("Bearer sk-test".parse().unwrap()),
        model: "tiny".into(),
    });
    Settings {
        openai,
        timeout: Duration::from_secs(20),
        tool_timeout: Duration::from_secs(20),
        memory_timeout: Duration::from_secs(20),
        rules_pace: Duration::ZERO,
    }
}

async fn start(broker: &Broker, settings: &Settings) -> Running {
    let app = App::new(broker.config("llm"));
    tars::llm::with(app, settings).unwrap().start().await.unwrap()
}

fn request(id: &str, text: &str, more: &Value) -> String {
    let mut data = json!({"id": id, "text": text});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    envelope("llm.request", &format!("envelope-{id}"), &data.to_string())
}

/// All that is streamed, and the response. A broker may hand on deltas after the response, which has
/// another quality of service.
async fn answer(spy: &mut Spy, id: &str) -> (Vec<Value>, Value) {
    let (mut deltas, mut whole) = (Vec::new(), None);
    while whole.is_none() || deltas.last().is_none_or(|delta: &Value| delta["done"] == false) {
        let (topic, data) = next(spy, id).await;
        if topic == "llm/response" {
            whole = Some(data);
        } else {
            deltas.push(data);
        }
    }
    (deltas, whole.unwrap())
}

/// The response, before which nothing is streamed.
async fn response(spy: &mut Spy, id: &str) -> Value {
    let (topic, data) = next(spy, id).await;
    assert_eq!(topic, "llm/response", "{data}");
    data
}

async fn next(spy: &mut Spy, id: &str) -> (String, Value) {
    let next = spy.next().await;
    let event = json(&next);
    assert_eq!(event["id"], format!("envelope-{id}"), "{event}");
    assert_eq!(event["data"]["id"], id);
    (next.topic, event["data"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_streamed_in_order_and_then_sent_whole() {
    on_each_broker(|broker| async move {
        let tokens = json!({"choices": [], "usage": {"total_tokens": 9}});
        let events = vec![says("Hello"), says(" there."), finishes("stop"), tokens];
        let mut server = Server::start([Script::Events(events)]).await;
        let mut spy = Spy::on(broker.port(), &["llm/stream", "llm/response"]).await;
        let service = start(&broker, &settings(Some(&server))).await;
        let more = json!({
            "system": "Be brief.",
            "params": {"temperature": 0.5},
            "conversation_history": [
                {"role": "assistant", "content": "Yes?"}, {"role": "user", "content": "hi"},
            ],
        });
        spy.publish("llm/request", request("r1", "hi", &more)).await;
        let (deltas, response) = answer(&mut spy, "r1").await;
        let parts = deltas.iter().map(|delta| {
            (&delta["seq"], &delta["delta"], &delta["done"], &delta["provider"], &delta["model"])
        });
        let part = |seq, delta, done| (json!(seq), json!(delta), json!(done));
        let expected = [part(0, "Hello", false), part(1, " there.", false), part(2, "", true)];
        let (openai, tiny) = (json!("openai"), json!("tiny"));
        let expected = expected.iter().map(|(seq, delta, done)| (seq, delta, done, &openai, &tiny));
        assert_eq!(parts.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        assert_eq!(response["reply"], "Hello there.");
        assert_eq!((&response["error"], &response["provider"]), (&Value::Null, &openai));
        assert_eq!(response["tokens"]["total_tokens"], 9);

        let (headers, body) = server.asked().await;
        assert_eq!(headers["authorization"], "Bearer sk-test");
        assert_eq!((&body["model"], &body["temperature"]), (&tiny, &json!(0.5)));
        let messages = json!([
            {"role": "system", "content": "Be brief."},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "hi"},
        ]);
        assert_eq!(body["messages"], messages);
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_the_model_calls_are_run_and_their_results_told_to_it() {
    on_each_broker(|broker| async move {
        let calls = json!({"choices": [{"delta": {"tool_calls": [
            {"index": 0, "id": "call_0", "function": {"name": "time", "arguments": "{\"zone\":"}},
            {"index": 1, "id": "call_1", "function": {"name": "fly", "arguments": "high"}},
        ]}}]});
        let rest = json!({"choices": [{"delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": "\"UTC\"}"}},
        ]}}]});
        let first = vec![says("Let me see."), calls, rest, finishes("tool_calls")];
        let second = vec![says("It is noon."), finishes("stop")];
        let mut server = Server::start([Script::Events(first), Script::Events(second)]).await;
        let filters = ["llm/stream", "llm/response", "llm/tool.call.request"];
        let mut spy = Spy::on(broker.port(), &filters[..2]).await;
        let mut tools = Spy::on(broker.port(), &filters[2..]).await;
        let registry = json!({"tools": [{"type": "function", "function": {"name": "time"}}]});
        let registry = envelope("llm.tools.registry", "0", &registry.to_string());
        let retained = rumqttc::QoS::AtLeastOnce;
        tools.publish_as("llm/tools/registry", registry, retained, true).await;
        let service = start(&broker, &settings(Some(&server))).await;
        server.told(&mut spy, |body| body["tools"][0]["function"]["name"] == "time").await;
        spy.publish("llm/request", request("r1", "what time is it?", &json!({}))).await;

        let call = json(&tools.next().await);
        assert_eq!(call["id"], "envelope-r1");
        assert_eq!(call["data"]["name"], "time");
        assert_eq!(call["data"]["arguments"], json!({"zone": "UTC"}));
        let call_id = call["data"]["call_id"].clone();
        for (id, time) in [(&json!("another"), "midnight"), (&call_id, "noon")] {
            let result = json!({"call_id": id, "result": {"time": time}});
            let result = envelope("llm.tool.call.result", "their-own-id", &result.to_string());
            tools.publish("llm/tool.call.result", result).await;
        }
        let (deltas, response) = answer(&mut spy, "r1").await;
        assert_eq!(response["reply"], "Let me see. It is noon.");
        let streamed: String = deltas.iter().filter_map(|delta| delta["delta"].as_str()).collect();
        assert_eq!(streamed, "Let me see. It is noon.");

        let (_, first) = server.asked().await;
        assert_eq!(first["tools"][0]["function"]["name"], "time");
        let (_, second) = server.asked().await;
        let [.., said, time, fly] = &second["messages"].as_array().unwrap()[..] else { panic!() };
        assert_eq!(said["tool_calls"][0]["function"]["arguments"], "{\"zone\":\"UTC\"}");
        let result =
            json!({"role": "tool", "tool_call_id": "call_0", "content": r#"{"time":"noon"}"#});
        assert_eq!(time, &result);
        let error = fly["content"].as_str().unwrap();
        assert!(error.contains("the arguments are \\\"high\\\", and must be an object"), "{error}");
        spy.publish_as("llm/tools/registry", "", retained, true).await;
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_answer_ends_at_once_and_lets_the_server_go() {
    on_each_broker(|broker| async move {
        let mut server = Server::start([Script::Hangs("Once upon a time")]).await;
        let mut spy = Spy::on(broker.port(), &["llm/stream", "llm/response"]).await;
        let service = start(&broker, &settings(Some(&server))).await;
        spy.publish("llm/request", request("r1", "tell me a story", &json!({}))).await;
        assert_eq!(json(&spy.next().await)["data"]["delta"], "Once upon a time");
        let cancel = |id: &str| envelope("llm.cancel", id, &json!({"id": id}).to_string());
        spy.publish("llm/cancel", cancel("another")).await;
        spy.publish("llm/cancel", cancel("r1")).await;
        let response = response(&mut spy, "r1").await;
        assert_eq!((&response["reply"], &response["error"]), (&Value::Null, &json!("cancelled")));
        within("the end of the stream", server.left.recv()).await.unwrap();
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_at_the_server_is_told_in_the_response() {
    on_each_broker(|broker| async move {
        let overloaded = r#"{"error": {"message": "too many requests of yours"}}"#;
        let server = Server::start([
            Script::Refuses(429, overloaded),
            Script::Refuses(200, "hello"),
            Script::Events(vec![json!({"error": {"message": "out of memory"}})]),
            Script::Hangs("Wait"),
        ])
        .await;
        let timeout = Duration::from_secs(5);
        let mut spy = Spy::on(broker.port(), &["llm/response"]).await;
        let service = start(&broker, &Settings { timeout, ..settings(Some(&server)) }).await;
        for (id, error) in [
            ("r1", "the model's server says 429 Too Many Requests: too many requests of yours"),
            ("r2", "the model's server sends nothing, and must send text/event-stream"),
            ("r3", "the model's server says: out of memory"),
            ("r4", "the model did not answer within 5s"),
        ] {
            spy.publish("llm/request", request(id, "hi", &json!({}))).await;
            let response = response(&mut spy, id).await;
            assert_eq!((&response["reply"], &response["error"]), (&Value::Null, &json!(error)));
        }
        service.stop().await.unwrap();

        let nowhere = Server { url: "http://127.0.0.1:9/v1".into(), ..server };
        let service = start(&broker, &settings(Some(&nowhere))).await;
        spy.publish("llm/request", request("r5", "hi", &json!({}))).await;
        let response = response(&mut spy, "r5").await;
        let error = response["error"].as_str().unwrap();
        assert!(error.starts_with("the model's server does not answer: "), "{error}");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_is_told_its_character_and_what_is_remembered() {
    on_each_broker(|broker| async move {
        let events = vec![says("Tom."), finishes("stop")];
        let mut server = Server::start([Script::Events(events)]).await;
        let mut spy = Spy::on(broker.port(), &["llm/response", "character/get"]).await;
        let service = start(&broker, &settings(Some(&server))).await;
        spy.next_on("character/get").await;
        let prompt = json!({"section": "systemprompt", "value": "You are CASE."});
        let prompt = envelope("character.result", "c", &prompt.to_string());
        spy.publish("character/result", prompt).await;
        let is_case = |body: &Value| body["messages"][0]["content"] == "You are CASE.";
        server.told(&mut spy, is_case).await;

        let mut memory = Spy::on(broker.port(), &["memory/query"]).await;
        let more = json!({"stream": false, "use_rag": true, "rag_k": 7});
        spy.publish("llm/request", request("r2", "what is my cat called?", &more)).await;
        let query = json(&memory.next().await);
        let asked = (&query["data"]["text"], &query["data"]["top_k"]);
        assert_eq!(asked, (&json!("what is my cat called?"), &json!(7)));
        let results = json!({"query": "", "k": 7, "results": [
            {"document": {"text": "my cat is called Tom", "role": "user"}},
        ]});
        let id = query["id"].as_str().unwrap();
        let results = envelope("memory.results", id, &results.to_string());
        memory.publish("memory/results", results).await;
        assert_eq!(response(&mut spy, "r2").await["reply"], "Tom.");
        let (_, body) = server.asked().await;
        assert_eq!(
            body["messages"][0]["content"],
            "You are CASE.\nWhat you remember that may help:\n- my cat is called Tom"
        );
        service.stop().await.unwrap();
    })
    .await;
}

/// Without a server, the rules hold a conversation; memory and tools are the real ones.
#[tokio::test(flavor = "multi_thread")]
async fn the_rules_greet_calculate_remember_and_recall() {
    on_each_broker(|broker| async move {
        let folder = tempfile::TempDir::new().unwrap();
        let character = tars::memory::Character::load(None).unwrap();
        let store = tars::memory::Store::open(folder.path().join("m.jsonl"), character).unwrap();
        let memory = tars::memory::with(App::new(broker.config("memory")), store);
        let memory = memory.start().await.unwrap();
        let tools = tars::mcp::service(App::new(broker.config("mcp"))).unwrap();
        let tools = tools.start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["llm/stream", "llm/response"]).await;
        let service = start(&broker, &settings(None)).await;

        for (id, question, reply) in [
            ("r1", "Hello!", "Hello. I am TARS. What can I do for you?"),
            ("r2", "What is 12 times 7?", "That makes 84."),
            ("r3", "Remember that my cat is called Tom.", "Noted. Ask me whenever you need it."),
        ] {
            spy.publish("llm/request", request(id, question, &json!({}))).await;
            let (deltas, response) = answer(&mut spy, id).await;
            assert_eq!(
                (&response["reply"], &response["provider"]),
                (&json!(reply), &json!("rules"))
            );
            let streamed = deltas.iter().filter_map(|delta| delta["delta"].as_str());
            assert_eq!(streamed.collect::<String>(), reply);
            assert_eq!(deltas.last().unwrap()["done"], true);
        }
        // What the tool says aloud takes its own way to the memory.
        let recalled = async {
            for number in 4.. {
                let id = format!("r{number}");
                let quiet = json!({"stream": false});
                let question = request(&id, "What is my cat called?", &quiet);
                spy.publish("llm/request", question).await;
                let response = response(&mut spy, &id).await;
                if response["reply"] == "You told me that your cat is called Tom." {
                    return;
                }
            }
        };
        within("what was remembered", recalled).await;
        for running in [service, tools, memory] {
            running.stop().await.unwrap();
        }
    })
    .await;
}
