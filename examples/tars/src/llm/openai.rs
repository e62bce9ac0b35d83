//! A model behind the HTTP interface of `OpenAI`'s chat completions, which many servers have.

use std::future::ready;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::stream::{Stream, StreamExt as _, TryStreamExt as _, iter, once};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use super::chunk::Reader;
use super::conversation::{Conversation, Turn};
use super::model::{Piece, Pieces};
use super::params;
use super::settings::OpenAi;
use super::sse::Events;
use crate::contracts::Role;
use crate::shown::shown;

/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of what a server says about an error is passed on.
const ERROR_LENGTH: usize = 300;

/// How many bytes of what a server says about an error are read.
const ERROR_BYTES: usize = 16 << 10;

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
            // What is asked, and the key with it, is for this server alone.
            .redirect(Policy::none())
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
        let mut body = params::allowed(&conversation.params);
        body.insert("model".into(), self.model.clone().into());
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
        let body = beginning(response).await;
        let reason = serde_json::from_str::<Value>(&body)
            .ok()
            .and_then(|body| Some(body.pointer("/error/message")?.as_str()?.to_owned()))
            .unwrap_or(body);
        let reason: String = shown(reason.trim()).chars().take(ERROR_LENGTH).collect();
        bail!("the model's server says {status}: {reason}");
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or("nothing");
    if !content_type.starts_with("text/event-stream") {
        let content_type = shown(content_type);
        bail!("the model's server sends {content_type}, and must send text/event-stream");
    }
    Ok(response)
}

/// As much of what a server says as is of use.
async fn beginning(mut response: Response) -> String {
    let mut body = Vec::new();
    // What does not come is not said.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ERROR_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ERROR_BYTES {
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

fn pieces(response: Response) -> impl Stream<Item = anyhow::Result<Piece>> + Send {
    let mut reader = Reader::default();
    let mut events = Events::default();
    let chunks = response.bytes_stream();
    let chunks = chunks.map(|chunk| Some(chunk.context("the model's server broke off")));
    chunks.chain(once(ready(None))).flat_map(move |chunk| {
        iter(match chunk.map(|chunk| chunk.and_then(|chunk| events.push(&chunk))) {
            Some(Ok(events)) => events.iter().flat_map(|data| reader.read(data)).collect(),
            Some(Err(error)) => reader.fail(error),
            None => reader.end(),
        })
    })
}
