//! Answers requests with a language model, word by word.
//!
//! The model is the one behind `OPENAI_BASE_URL`, or without it a small set of rules that keeps a robot
//! talking offline and says so (`provider` is `rules`). Either may call the tools that are offered, and
//! is told what the memory knows. The [`Settings`] are read from the environment.

mod answer;
mod chunk;
mod conversation;
mod knowledge;
mod model;
mod openai;
mod params;
mod pending;
mod rules;
mod settings;
mod sse;

use answer::Llm;
pub use settings::{OpenAi, Settings};
use tars_mqtt::prelude::*;

use crate::contracts::{
    CharacterGetRequest, CharacterSection, CharacterSnapshot, LlmCancel, LlmRequest, LlmResponse,
    ToolCallResult, ToolsRegistry,
};
use crate::vars::Vars;

/// The language model, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn service(app: App) -> anyhow::Result<App> {
    with(app, &Settings::from_vars(&Vars::of_process())?)
}

/// The language model, with these settings.
///
/// # Errors
///
/// When they are of no use.
pub fn with(app: App, settings: &Settings) -> anyhow::Result<App> {
    let llm = Llm::new(settings)?;
    Ok(app.handlers_in(module_path!()).state(llm).on_ready(|client: Client| async move {
        client.publish(&CharacterGetRequest::default()).await
    }))
}

// How long an answer may take is a setting of the model.
#[subscribe(concurrency = 8, timeout = "off")]
async fn ask(context: Context, State(llm): State<Llm>, request: LlmRequest) -> LlmResponse {
    llm.answer(&context, &request).await
}

#[subscribe]
async fn cancel(State(llm): State<Llm>, cancel: LlmCancel) {
    llm.running.resolve(&cancel.id, ());
}

#[subscribe]
async fn called(State(llm): State<Llm>, result: ToolCallResult) {
    llm.calls.resolve(&result.call_id.clone(), result);
}

#[subscribe]
async fn offered(State(llm): State<Llm>, registry: ToolsRegistry) {
    llm.knowledge.tools(registry);
}

#[subscribe]
async fn became(State(llm): State<Llm>, snapshot: CharacterSnapshot) {
    llm.knowledge.character(snapshot);
}

#[subscribe]
async fn described(State(llm): State<Llm>, section: CharacterSection) {
    llm.knowledge.section(section);
}
