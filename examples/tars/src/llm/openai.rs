//! A model behind the HTTP interface of `OpenAI`'s chat completions, which many servers have.

use std::future::ready;
use std::time::Duration;

use anyhow::{Context as _, bail};
use eventsource_stream::Eventsource as _;
use futures_util::stream::{Stream, StreamExt as _, TryStreamExt as _, iter, once};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::chunk::Reader;
use super::conversation::{Conversation, Turn};
use super::model::{Piece, Pieces};
use super::settings::OpenAi;
use crate::contracts::Role;

/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of what a server says about an error is passed on.
const ERROR_LENGTH: usize = 300;

/// A server that answers.
#[derive(Clone, Debug)]
pub(super) struct Server {
    client: Client,
    url: String,
    model: String,
}

impl Server {
    pub(super) fn new(settings: &OpenAi) -> anyhow::Result<Self> {
        // There may be one already, which does as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorization = settings.authorization.clone().map(|value| (AUTHORIZATION, value));
        let client = Client::builder()
            .default_headers(HeaderMap::from_iter(authorization))
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        let url = format!("{}/chat/completions", settings.base_url.as_str().trim_end_matches('/'));
        Ok(Self { client, url, model: settings.model.clone() })
    }

    pub(super) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn respond(&self, conversation: &Conversation) -> Pieces<'static> {
        let request = self.client.post(&self.url).json(&self.body(conversation));
        once(open(request)).map_ok(pieces).try_flatten().boxed()
    }

    fn body(&self, conversation: &Conversation) -> Value {
        let mut body = conversation.params.clone();
        body.entry("model").or_insert_with(|| self.model.clone().into());
        body.insert("messages".into(), messages(conversation));
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({ "include_usage": true }));
        if !conversation.tools.is_empty() {
            body.insert("tools".into(), json!(conversation.tools));
        }
        Value::Object(body)
    }
}

fn messages(conversation: &Conversation) -> Value {
    let mut system = conversation.system.clone();
    if let Some(memories) = &conversation.memories
        && !memories.is_empty()
    {
        system += "\nWhat you remember that may help:";
        for memory in memories {
            system.extend(["\n- ", &memory.text]);
        }
    }
    let turns = conversation.turns.iter().map(|turn| match turn {
        Turn::Said(Role::User, text) => json!({ "role": "user", "content": text }),
        Turn::Said(Role::Assistant, text) => json!({ "role": "assistant", "content": text }),
        Turn::Calls(text, calls) => {
            let calls = calls.iter().map(|call| {
                let function = json!({ "name": call.name, "arguments": call.arguments });
                json!({ "id": call.id, "type": "function", "function": function })
            });
            let calls: Vec<_> = calls.collect();
            json!({ "role": "assistant", "content": text, "tool_calls": calls })
        }
        Turn::Result(call, result) => {
            let content = match result {
                Ok(result) => json!(result).to_string(),
                Err(error) => json!({ "error": error }).to_string(),
            };
            json!({ "role": "tool", "tool_call_id": call.id, "content": content })
        }
    });
    let system = json!({ "role": "system", "content": system });
    std::iter::once(system).chain(turns).collect()
}

/// Sends the request; what comes back is a stream of events, or an error.
async fn open(request: RequestBuilder) -> anyhow::Result<Response> {
    let response = request.send().await.context("the model's server does not answer")?;
    let status = response.status();
    if !status.is_success() {
        let body = response.text().await.unwrap_or_default();
        let reason = serde_json::from_str::<Value>(&body)
            .ok()
            .and_then(|body| Some(body.pointer("/error/message")?.as_str()?.to_owned()))
            .unwrap_or(body);
        let reason: String = reason.trim().chars().take(ERROR_LENGTH).collect();
        bail!("the model's server says {status}: {reason}");
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    if !content_type.starts_with("text/event-stream") {
        bail!("the model's server sends {content_type}, and must send text/event-stream");
    }
    Ok(response)
}

fn pieces(response: Response) -> impl Stream<Item = anyhow::Result<Piece>> + Send {
    let mut reader = Reader::default();
    let events = response.bytes_stream().eventsource();
    let events = events.map(|event| Some(event.context("the model's server broke off")));
    events.chain(once(ready(None))).flat_map(move |event| {
        iter(match event {
            Some(Ok(event)) => reader.read(&event.data),
            Some(Err(error)) => reader.fail(error),
            None => reader.end(),
        })
    })
}
