use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::defaults::yes;
use super::{Id, Object};

/// A question for the language model.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
pub struct LlmRequest {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Id of the question, which the answer repeats.
    pub id: String,
    /// The question.
    pub text: String,
    /// Whether the answer comes piece by piece, too.
    #[serde(default = "yes")]
    #[default = true]
    pub stream: bool,
    /// Whether memory is searched for what may help.
    pub use_rag: Option<bool>,
    /// How much is taken from memory.
    pub rag_k: Option<i64>,
    /// Instructions in place of the character's.
    pub system: Option<String>,
    /// Settings of the model.
    pub params: Option<Object>,
    /// What was said before, oldest first.
    pub conversation_history: Option<Vec<ConversationMessage>>,
}

/// Something that was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConversationMessage {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub content: String,
    /// When it was said.
    pub timestamp: Option<f64>,
}

/// Who takes part in a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Who talks to the robot.
    #[default]
    User,
    /// The robot.
    Assistant,
}

/// The whole answer to an [`LlmRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct LlmResponse {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Id of the question.
    pub id: String,
    /// The answer.
    pub reply: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who answers.
    pub provider: Option<String>,
    /// The model that answers.
    pub model: Option<String>,
    /// How much was read and written.
    pub tokens: Option<Object>,
}

/// A piece of the answer to an [`LlmRequest`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("llm.stream", qos = 0)]
pub struct LlmStreamDelta {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Id of the question.
    pub id: String,
    /// Number of the piece, from 0.
    pub seq: Option<i64>,
    /// The piece.
    pub delta: Option<String>,
    /// Whether it is the last.
    #[serde(default)]
    pub done: bool,
    /// Who answers.
    pub provider: Option<String>,
    /// The model that answers.
    pub model: Option<String>,
}

/// Ends the answer to a question early.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct LlmCancel {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Id of the question.
    pub id: String,
}
