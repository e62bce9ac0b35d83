//! What a model is given.

use serde_json::Value;

use crate::contracts::{Document, LlmRequest, MemoryResults, Object, Role, ToolSpec};

/// A conversation, in which it is the model's turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Conversation {
    /// What the robot is called.
    pub(super) name: String,
    /// Instructions.
    pub(super) system: String,
    /// What is remembered that may help; nothing if the memory was not asked or did not answer.
    pub(super) memories: Option<Vec<Memory>>,
    /// What was said, oldest first.
    pub(super) turns: Vec<Turn>,
    /// The tools that may be called.
    pub(super) tools: Vec<ToolSpec>,
    /// Settings of the model.
    pub(super) params: Object,
}

/// Something that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Whether the robot itself has said it.
    pub(super) own: bool,
    pub(super) text: String,
}

/// One step of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Turn {
    Said(Role, String),
    /// The model calls tools, and may say something too.
    Calls(String, Vec<ToolCall>),
    /// What came of a call.
    Result(ToolCall, Result<Object, String>),
}

/// A model calls a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ToolCall {
    /// The model's own name for the call.
    pub(super) id: String,
    /// The tool.
    pub(super) name: String,
    /// What it is given, as JSON.
    pub(super) arguments: String,
}

impl Conversation {
    /// What was said before, and the question.
    pub(super) fn turns(request: &LlmRequest) -> Vec<Turn> {
        let history = request.conversation_history.iter().flatten();
        let said = history.map(|message| Turn::Said(message.role, message.content.clone()));
        let mut turns: Vec<_> = said.collect();
        let question = Turn::Said(Role::User, request.text.clone());
        // The router's history ends with the question.
        if turns.last() != Some(&question) {
            turns.push(question);
        }
        turns
    }

    /// What the model answers to.
    pub(super) fn question(&self) -> &str {
        let questions = self.turns.iter().rev().filter_map(|turn| match turn {
            Turn::Said(Role::User, text) => Some(&**text),
            _ => None,
        });
        questions.into_iter().next().unwrap_or_default()
    }
}

impl Memory {
    /// Each of the results, whoever made them: their text where they have one, else all of it.
    pub(super) fn all(results: MemoryResults) -> Vec<Self> {
        let memory = |document| match document {
            Document::Text(text) => Self { own: false, text },
            Document::Fields(fields) => Self {
                own: fields.get("role").is_some_and(|role| role == "assistant"),
                text: match fields.get("text") {
                    Some(Value::String(text)) => text.clone(),
                    _ => Value::Object(fields).to_string(),
                },
            },
        };
        results.results.into_iter().map(|result| memory(result.document)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contracts::ConversationMessage;

    #[test]
    fn the_question_comes_last_and_once() {
        let say = |content: &str| ConversationMessage {
            content: content.into(),
            ..ConversationMessage::default()
        };
        let request = |history: &[&str]| LlmRequest {
            text: "two".into(),
            conversation_history: Some(history.iter().copied().map(say).collect()),
            ..LlmRequest::default()
        };
        let said = |text: &str| Turn::Said(Role::User, text.into());
        assert_eq!(Conversation::turns(&request(&["one", "two"])), [said("one"), said("two")]);
        assert_eq!(Conversation::turns(&request(&["one"])), [said("one"), said("two")]);
    }

    #[test]
    fn memories_of_any_form_have_a_text() {
        let results = json!({"query": "", "k": 3, "results": [
            {"document": "plain"},
            {"document": {"text": "said", "role": "assistant"}},
            {"document": {"a": 1}},
        ]});
        let memories = Memory::all(serde_json::from_value(results).unwrap());
        let texts: Vec<_> = memories.iter().map(|memory| (memory.own, &*memory.text)).collect();
        assert_eq!(texts, [(false, "plain"), (true, "said"), (false, r#"{"a":1}"#)]);
    }
}
