//! What the server of a language model may send, and where it may send who asks.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tars::llm::{OpenAi, Settings};
use tars_mqtt::Running;
use tars_mqtt::prelude::*;
use tests::{Broker, Spy, envelope, json, on_each_broker};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers each request with this head, and then sends this for ever, if anything.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    async fn start(head: impl Into<String>, forever: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (requests, sent) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (counted, counts) = (requests.clone(), sent.clone());
        let head = format!("HTTP/1.1 {}\r\n\r\n", head.into());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (head, sent) = (head.clone(), counts.clone());
                tokio::spawn(async move {
                    let mut request = vec![0; 65_536];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(head.as_bytes()).await;
                    let chunk = forever.repeat(1 << 12);
                    while !forever.is_empty() && stream.write_all(chunk.as_bytes()).await.is_ok() {
                        sent.fetch_add(chunk.len(), Ordering::SeqCst);
                    }
                });
            }
        });
        Self { url, requests, sent }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

async fn start(broker: &Broker, server: &Server) -> Running {
    let settings = Settings {
        openai: Some(OpenAi {
            base_url: server.url.parse().unwrap(),
            authorization: Some("Bearer sk-test".parse().unwrap()),
            model: "tiny".into(),
        }),
        timeout: Duration::from_secs(60),
        tool_timeout: Duration::from_secs(60),
        memory_timeout: Duration::from_secs(60),
        rules_pace: Duration::ZERO,
    };
    let app = App::new(broker.config("llm"));
    tars::llm::with(app, &settings).unwrap().start().await.unwrap()
}

/// Why there is no answer.
async fn error(broker: &Broker, server: &Server) -> String {
    let service = start(broker, server).await;
    let mut spy = Spy::on(broker.port(), &["llm/response"]).await;
    let data: Value = json!({"id": "q", "text": "hi"});
    spy.publish("llm/request", envelope("llm.request", "q", &data.to_string())).await;
    let response = json(&spy.next().await)["data"].clone();
    service.stop().await.unwrap();
    response["error"].as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_redirects_is_not_followed() {
    on_each_broker(|broker| async move {
        let other = Server::start("200 OK\r\nContent-Length: 0", "").await;
        for status in ["301 Moved Permanently", "307 Temporary Redirect"] {
            let to = format!("{status}\r\nLocation: {}\r\nContent-Length: 0", other.url);
            let error = error(&broker, &Server::start(to, "").await).await;
            assert_eq!(error, format!("the model's server says {status}: "));
        }
        assert_eq!(other.requests(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_without_end_is_read_no_further_than_it_is_told() {
    on_each_broker(|broker| async move {
        let server = Server::start("500 Internal Server Error", "\u{1b}]0;no").await;
        let error = error(&broker, &server).await;
        let begin = "the model's server says 500 Internal Server Error: �]0;no";
        assert!(error.starts_with(begin) && error.chars().count() < 400, "{error}");
        // The rest is what the system had taken already.
        assert!(server.sent.load(Ordering::SeqCst) < 64 << 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_ends_the_answer() {
    on_each_broker(|broker| async move {
        let head = "200 OK\r\nContent-Type: text/event-stream";
        let server = Server::start(head, "data: no end").await;
        let error = error(&broker, &server).await;
        assert_eq!(error, "the model's server sends a line of more than 262144 bytes");
    })
    .await;
}
