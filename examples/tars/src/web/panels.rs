//! What moves, and what is remembered.

use serde::Serialize;

use super::text::{id, shortened};
use crate::contracts::{
    Document, MemoryResult, MemoryResults, MovementFrame, MovementState, MovementStatusUpdate,
};

/// How many servos are shown. The body has fewer.
const CHANNELS: usize = 32;

/// How many results are shown.
const RESULTS: usize = 20;

/// What was last said about movement.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Movement {
    frame: Option<MovementFrame>,
    state: Option<MovementState>,
    status: Option<MovementStatusUpdate>,
}

impl Movement {
    /// Where the servos go.
    pub(super) fn frame(&mut self, mut frame: MovementFrame) -> Self {
        let channels = frame.channels.into_iter().take(CHANNELS);
        frame.channels = channels.map(|(channel, pulse)| (id(channel), pulse)).collect();
        (frame.id, frame.message_id) = (id(frame.id), id(frame.message_id.0).into());
        self.frame = Some(frame);
        self.clone()
    }

    /// How a command goes on.
    pub(super) fn state(&mut self, mut state: MovementState) -> Self {
        state.detail = state.detail.map(shortened);
        (state.id, state.message_id) = (id(state.id), id(state.message_id.0).into());
        self.state = Some(state);
        self.clone()
    }

    /// How the body is.
    pub(super) fn status(&mut self, mut status: MovementStatusUpdate) -> Self {
        status.detail = status.detail.map(shortened);
        status.command = status.command.map(shortened);
        status.request_id = status.request_id.map(id);
        status.message_id = id(status.message_id.0).into();
        self.status = Some(status);
        self.clone()
    }
}

/// What was last looked for in memory, and found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Recalled {
    query: String,
    found: Vec<Found>,
}

/// Something remembered.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Found {
    text: String,
    score: Option<f64>,
    timestamp: Option<String>,
}

impl From<MemoryResults> for Recalled {
    fn from(results: MemoryResults) -> Self {
        Self {
            query: shortened(results.query),
            found: results.results.into_iter().take(RESULTS).map(Found::from).collect(),
        }
    }
}

impl From<MemoryResult> for Found {
    fn from(MemoryResult { document, score, timestamp, .. }: MemoryResult) -> Self {
        let text = match document {
            Document::Text(text) => text,
            Document::Fields(fields) => match fields.get("text").and_then(|text| text.as_str()) {
                Some(text) => text.to_owned(),
                None => serde_json::Value::Object(fields).to_string(),
            },
        };
        Self { text: shortened(text), score, timestamp: timestamp.map(shortened) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: serde_json::Value) -> String {
        let document = serde_json::from_value(document).unwrap();
        Found::from(MemoryResult { document, ..MemoryResult::default() }).text
    }

    #[test]
    fn a_document_is_shown_by_its_text_and_else_as_it_is() {
        assert_eq!(found(serde_json::json!("my cat is called Tom")), "my cat is called Tom");
        assert_eq!(found(serde_json::json!({"text": "Tom", "role": "user"})), "Tom");
        assert_eq!(found(serde_json::json!({"cat": "Tom"})), r#"{"cat":"Tom"}"#);
    }

    #[test]
    fn what_was_known_before_stays_until_something_newer_comes() {
        let mut movement = Movement::default();
        movement.state(MovementState::default());
        let channels = (0..100).map(|channel| (channel.to_string(), 1500)).collect();
        let shown = movement.frame(MovementFrame { channels, ..MovementFrame::default() });
        assert!(shown.state.is_some() && shown.status.is_none());
        assert_eq!(shown.frame.unwrap().channels.len(), CHANNELS);
    }
}
