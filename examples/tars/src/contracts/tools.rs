use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::{Id, Object};

/// The tools that there are, kept by the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("llm.tools.registry", retain)]
pub struct ToolsRegistry {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// One for each tool.
    pub tools: Vec<ToolSpec>,
}

/// What a tool is called, does and takes, as language models are told it.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize)]
pub struct ToolSpec {
    /// The kind of tool.
    #[serde(rename = "type", default = "function")]
    #[default(function())]
    pub kind: String,
    /// Its `name`, `description` and `parameters`.
    pub function: Object,
}

fn function() -> String {
    "function".to_owned()
}

/// Asks for a tool to be run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("llm.tool.call.request", topic = "llm/tool.call.request")]
pub struct ToolCallRequest {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Id of the call, which the result repeats.
    pub call_id: String,
    /// The tool.
    pub name: String,
    /// What it is given.
    pub arguments: Object,
}

/// What came of a [`ToolCallRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("llm.tool.call.result", topic = "llm/tool.call.result")]
pub struct ToolCallResult {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Id of the call.
    pub call_id: String,
    /// What the tool gives.
    pub result: Option<Object>,
    /// Why there is no result.
    pub error: Option<String>,
}
