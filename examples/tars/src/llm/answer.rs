//! How an answer comes about: what is known is gathered, the model is asked, its tools are run, and it
//! is asked again, until it has answered.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use futures_util::TryStreamExt as _;
use futures_util::future::join_all;
use tars_mqtt::prelude::*;
use tokio::time::timeout;
use uuid::Uuid;

use super::conversation::{Conversation, Memory, ToolCall, Turn};
use super::knowledge::Knowledge;
use super::model::{Model, Piece};
use super::pending::Pending;
use super::settings::Settings;
use crate::contracts::{
    LlmRequest, LlmResponse, LlmStreamDelta, MemoryQuery, MemoryResults, Object, ToolCallRequest,
    ToolCallResult,
};
use crate::shown::{LogLimit, quoted, shown};

static NO_ANSWER: LogLimit = LogLimit::new();
static NO_MEMORY: LogLimit = LogLimit::new();

/// How often a model may call tools before it must answer.
const ROUNDS: usize = 5;

/// The language model and all that it works with. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub(super) struct Llm {
    pub(super) knowledge: Knowledge,
    /// Answers under way, by the id of the request.
    pub(super) running: Pending<()>,
    /// Tools that run, by the id of the call.
    pub(super) calls: Pending<ToolCallResult>,
    model: Arc<Model>,
    limits: Limits,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    answer: Duration,
    tool: Duration,
    memory: Duration,
}

/// A whole answer.
#[derive(Default)]
struct Answer {
    text: String,
    tokens: Option<Object>,
}

impl Llm {
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            knowledge: Knowledge::default(),
            running: Pending::default(),
            calls: Pending::default(),
            model: Arc::new(Model::new(settings)?),
            limits: Limits {
                answer: settings.timeout,
                tool: settings.tool_timeout,
                memory: settings.memory_timeout,
            },
        })
    }

    /// Answers a request, in pieces if that is wanted, and then as a whole.
    pub(super) async fn answer(&self, context: &Context, request: &LlmRequest) -> LlmResponse {
        let mut cancelled = self.running.expect(&request.id);
        let limit = self.limits.answer;
        let outcome = tokio::select! {
            () = cancelled.value() => Err(anyhow!("cancelled")),
            outcome = timeout(limit, self.compose(context, request)) => outcome
                .unwrap_or_else(|_| Err(anyhow!("the model did not answer within {limit:?}"))),
        };
        let response = LlmResponse {
            id: request.id.clone(),
            provider: Some(self.model.provider().to_owned()),
            model: Some(self.model.name().to_owned()),
            ..LlmResponse::default()
        };
        match outcome {
            Ok(Answer { text, tokens }) => LlmResponse { reply: Some(text), tokens, ..response },
            Err(error) => {
                let reason = format!("{error:#}");
                if NO_ANSWER.allows() {
                    let id = quoted(&request.id);
                    tracing::warn!(id, "no answer: {}", quoted(&reason));
                }
                LlmResponse { error: Some(shown(&reason)), ..response }
            }
        }
    }

    async fn compose(&self, context: &Context, request: &LlmRequest) -> anyhow::Result<Answer> {
        let mut conversation = self.conversation(context.client(), request).await;
        let mut deltas = Deltas { context, request, model: &self.model, next: 0 };
        let mut answer = Answer::default();
        for _ in 0..ROUNDS {
            let said_before = answer.text.len();
            let mut calls = Vec::new();
            let mut pieces = self.model.respond(&conversation);
            while let Some(piece) = pieces.try_next().await? {
                match piece {
                    Piece::Text(text) => {
                        answer.text += &text;
                        deltas.send(text, false).await;
                    }
                    Piece::Call(call) => calls.push(call),
                    Piece::Tokens(tokens) => answer.tokens = Some(tokens),
                }
            }
            if calls.is_empty() {
                deltas.send(String::new(), true).await;
                return Ok(answer);
            }
            let said = answer.text[said_before..].to_owned();
            if !said.is_empty() {
                // So that what comes after the call does not stick to it.
                answer.text += " ";
                deltas.send(" ".to_owned(), false).await;
            }
            conversation.turns.push(Turn::Calls(said, calls.clone()));
            let results = calls.into_iter().map(async |call| {
                let result = self.run(context, &call).await;
                Turn::Result(call, result.map_err(|error| format!("{error:#}")))
            });
            conversation.turns.extend(join_all(results).await);
        }
        bail!("the model called tools {ROUNDS} times in a row, and did not answer")
    }

    /// All that the model is given.
    async fn conversation(&self, client: &Client, request: &LlmRequest) -> Conversation {
        let system = request.system.clone().unwrap_or_else(|| self.knowledge.instructions());
        Conversation {
            name: self.knowledge.name(),
            system,
            memories: self.memories(client, request).await,
            turns: Conversation::turns(request),
            tools: self.knowledge.offered(),
            params: request.params.clone().unwrap_or_default(),
        }
    }

    /// What is remembered about the question, if it is to be looked for and can be.
    async fn memories(&self, client: &Client, request: &LlmRequest) -> Option<Vec<Memory>> {
        let wanted = self.model.wants_memories(&request.text);
        if !request.use_rag.unwrap_or(wanted.is_some()) {
            return None;
        }
        let asked = request.rag_k.map(|k| k.clamp(1, 50)).and_then(|k| u32::try_from(k).ok());
        let top_k = asked.or(wanted).unwrap_or(5);
        let query = MemoryQuery { text: request.text.clone(), top_k, ..MemoryQuery::default() };
        let results = client.request::<_, MemoryResults>(&query).timeout(self.limits.memory);
        match results.await {
            Ok(results) => Some(Memory::all(results.data)),
            Err(error) => {
                if NO_MEMORY.allows() {
                    let id = quoted(&request.id);
                    tracing::warn!(id, "nothing is remembered: {}", quoted(&error.to_string()));
                }
                None
            }
        }
    }

    /// Has a tool run.
    async fn run(&self, context: &Context, call: &ToolCall) -> anyhow::Result<Object> {
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        let arguments = serde_json::from_str(arguments)
            .with_context(|| format!("the arguments are {arguments:?}, and must be an object"))?;
        // Models number their calls as they like; here they must differ.
        let call_id = Uuid::new_v4().simple().to_string();
        let mut result = self.calls.expect(&*call_id);
        let name = call.name.clone();
        let request = ToolCallRequest { call_id, name, arguments, ..ToolCallRequest::default() };
        context.publish(&request).await?;
        let limit = self.limits.tool;
        let result = timeout(limit, result.value())
            .await
            .map_err(|_| anyhow!("the tool did not answer within {limit:?}"))?;
        match result.error {
            Some(error) => bail!(error),
            None => Ok(result.result.unwrap_or_default()),
        }
    }
}

/// The pieces of an answer on their way out.
struct Deltas<'a> {
    context: &'a Context,
    request: &'a LlmRequest,
    model: &'a Model,
    next: i64,
}

impl Deltas<'_> {
    async fn send(&mut self, text: String, done: bool) {
        if !self.request.stream {
            return;
        }
        let delta = LlmStreamDelta {
            id: self.request.id.clone(),
            seq: Some(self.next),
            delta: Some(text),
            done,
            provider: Some(self.model.provider().to_owned()),
            model: Some(self.model.name().to_owned()),
            ..LlmStreamDelta::default()
        };
        self.next += 1;
        // What does not arrive is in the response, too.
        let _ = self.context.publish(&delta).await;
    }
}
