//! Every form of a handler, with unusual names around it.
#![deny(warnings)]

use std::fmt;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::__private::{AckMode, Handler, Overflow};
use tars_mqtt::prelude::*;

#[derive(Serialize, Deserialize, Event)]
struct LlmRequest {
    text: String,
}

#[derive(Serialize, Deserialize, Event)]
struct LlmResponse {
    reply: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event("llm.stream", topic = "llm/stream", qos = 0)]
struct LlmStreamDelta {
    delta: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(topic = "sensors/{room}/temperature", retain)]
struct Temperature {
    room: String,
    celsius: f64,
}

#[derive(Clone)]
struct Db;

#[derive(Debug)]
struct DbError;

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the database is away")
    }
}

impl std::error::Error for DbError {}

#[subscribe]
async fn a(request: LlmRequest) {
    let _ = request.text;
}

#[subscribe("sensors/{room}/temperature", qos = 1)]
async fn b(room: String, reading: Temperature) {
    let _ = (room, reading.room, reading.celsius);
}

#[subscribe("logs/{path..}")]
async fn c(path: String, line: Bytes) {
    let _ = (path, line);
}

/// Everything at once.
#[subscribe("llm/request", concurrency = 8, queue = 256, overflow = "drop_oldest",
            timeout = "30s", retry = 3, backoff = "100ms..5s", dead_letter = "dead/llm",
            ack = "on_receive", group = "workers", accept_bare)]
pub(crate) async fn d(
    context: Context,
    State(db): State<Db>,
    client: Client,
    request: Envelope<LlmRequest>,
) -> Result<Option<LlmResponse>, DbError> {
    let _ = (context.id(), db, client);
    match request.data.text.as_str() {
        "" => Err(DbError),
        _ => Ok(Some(LlmResponse { reply: request.id })),
    }
}

#[subscribe("llm/request", timeout = "off", ack = "on_handled", overflow = "drop_new")]
async fn e(request: LlmRequest) -> Replies<impl Stream<Item = LlmStreamDelta> + Send> {
    let words: Vec<String> = request.text.split(' ').map(str::to_owned).collect();
    Replies(stream::iter(words).map(|delta| LlmStreamDelta { delta }))
}

#[subscribe("json")]
async fn json(Json(mut number): Json<u32>) -> anyhow::Result<()> {
    number += 1;
    anyhow::ensure!(number > 1);
    Ok(())
}

#[subscribe("{mut_room}/{type}/{count}/x")]
async fn parameters(mut mut_room: String, r#type: char, count: u32, message: Message) {
    mut_room.push(r#type);
    let _ = (mut_room, count, message);
}

#[subscribe("text")]
async fn text(_: String) -> Vec<LlmResponse> {
    Vec::new()
}

#[subscribe("nothing")]
async fn nothing() -> (LlmResponse, Option<LlmStreamDelta>) {
    (LlmResponse { reply: String::new() }, None)
}

// Names that the expansion uses itself.
#[subscribe("names/{arguments}")]
async fn context(arguments: u8, requirements: Context, app: Client) {
    let _ = (arguments, requirements, app);
}

#[subscribe("names/call")]
async fn call() {}

#[subscribe("names/type")]
async fn r#type() {}

#[deprecated]
#[subscribe("old")]
async fn old() {}

#[cfg(any())]
#[subscribe("never")]
async fn never(missing: Missing) {}

#[subscribe("never")]
#[cfg(any())]
async fn never(missing: Missing) {}

mod shadowed {
    #![allow(dead_code)]

    use super::LlmRequest;
    use ::tars_mqtt::subscribe;

    struct Option;
    struct Result;
    struct Some;
    struct Ok;
    struct Context;
    mod tars_mqtt {}
    mod core {}
    mod std {}

    #[subscribe("llm/request", qos = 2, retry = 0)]
    async fn shadowed(request: LlmRequest) {
        let _ = request;
    }
}

macro_rules! handler {
    ($name:ident, $filter:literal, $retry:expr) => {
        #[subscribe($filter, retry = $retry)]
        async fn $name(bytes: Bytes) {
            let _ = bytes;
        }
    };
}

handler!(from_macro, "from/macro", 3);

fn main() {
    #[subscribe("within/a/function")]
    async fn within() {}

    let app = App::bare(Config::new("mqtt://localhost", "ui").unwrap())
        .handler::<a>()
        .handler::<d>()
        .handler::<r#type>()
        .handler::<within>();
    drop(app);
    let spec = <a as Handler>::SPEC;
    assert_eq!((spec.name, spec.pattern), (concat!(module_path!(), "::a"), "llm/request"));
    assert_eq!(spec.event.map(|event| event.event_type), Some("llm.request"));
    assert_eq!(spec.line, 49);
    assert!(spec.file.ends_with("handlers.rs"), "{}", spec.file);
    assert_eq!(<b as Handler>::SPEC.pattern, "sensors/{room}/temperature");
    assert_eq!(<b as Handler>::SPEC.qos(), QoS::AtLeastOnce);
    assert_eq!(<r#type as Handler>::SPEC.name, concat!(module_path!(), "::type"));

    let options = <d as Handler>::SPEC.options;
    assert_eq!((options.concurrency, options.queue, options.retry), (8, 256, 3));
    assert_eq!(options.overflow, Overflow::DropOldest);
    assert_eq!(options.timeout, Some(Duration::from_secs(30)));
    assert_eq!(options.backoff, (Duration::from_millis(100), Duration::from_secs(5)));
    assert_eq!((options.dead_letter, options.group), (Some("dead/llm"), Some("workers")));
    assert_eq!((options.ack, options.accept_bare), (AckMode::OnReceive, true));
    assert_eq!(<e as Handler>::SPEC.options.timeout, None);
    assert_eq!(<e as Handler>::SPEC.options.overflow, Overflow::DropNew);

    // They stay ordinary functions.
    let future = b("kitchen".into(), Temperature { room: String::new(), celsius: 1.0 });
    drop(future);
}
