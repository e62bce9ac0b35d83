use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::{Id, Object, bounds};

/// Asks what is remembered.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
pub struct MemoryQuery {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// What is looked for.
    pub text: String,
    /// How many results, from 1 to 50.
    #[serde(default = "five", deserialize_with = "bounds::top_k")]
    #[default = 5]
    pub top_k: u32,
    /// How many tokens all results may have together, from 1 to 10,000.
    #[serde(default, deserialize_with = "bounds::max_tokens")]
    pub max_tokens: Option<u32>,
    /// Whether what was said before and after a result comes along.
    #[serde(default)]
    pub include_context: bool,
    /// How much of it on either side, from 0 to 5.
    #[serde(default = "one", deserialize_with = "bounds::context_window")]
    #[default = 1]
    pub context_window: u32,
    /// How to look: `hybrid`, or what the memory knows besides.
    #[serde(default = "hybrid")]
    #[default(hybrid())]
    pub retrieval_strategy: String,
}

/// What is remembered, the best first.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
pub struct MemoryResults {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// What was looked for.
    pub query: String,
    /// How many results were wanted.
    pub k: i64,
    /// What was found.
    #[serde(default)]
    pub results: Vec<MemoryResult>,
    /// How many tokens the results have together.
    pub total_tokens: Option<i64>,
    /// How it was looked for.
    #[serde(default = "hybrid")]
    #[default(hybrid())]
    pub strategy_used: String,
    /// Whether results were left out to keep within the tokens.
    #[serde(default)]
    pub truncated: bool,
}

/// Something remembered.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
pub struct MemoryResult {
    /// What it is.
    pub document: Document,
    /// How well it fits.
    pub score: Option<f64>,
    /// When it was remembered.
    pub timestamp: Option<String>,
    /// `target` for what was found, another word for what stands before or after it.
    #[serde(default = "target")]
    #[default(target())]
    pub context_type: String,
    /// How many tokens it has.
    pub token_count: Option<i64>,
}

/// Something remembered: an object or a text.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
#[serde(untagged, expecting = "`document` must be an object or a text")]
pub enum Document {
    /// With fields of any kind.
    #[default]
    Fields(Object),
    /// As text.
    Text(String),
}

fn five() -> u32 {
    5
}

fn one() -> u32 {
    1
}

fn hybrid() -> String {
    "hybrid".to_owned()
}

fn target() -> String {
    "target".to_owned()
}
