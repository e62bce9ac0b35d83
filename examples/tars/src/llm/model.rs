//! Who answers.

use futures_util::stream::BoxStream;

use super::conversation::{Conversation, ToolCall};
use super::openai::Server;
use super::rules::Rules;
use super::settings::Settings;
use crate::contracts::Object;

/// A language model, or what stands in for one.
#[derive(Clone, Debug)]
pub(super) enum Model {
    Server(Server),
    Rules(Rules),
}

/// A part of what a model answers, as it comes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    /// The answer goes on when the tool has been run.
    Call(ToolCall),
    /// How much was read and written.
    Tokens(Object),
}

/// The pieces of an answer.
pub(super) type Pieces<'a> = BoxStream<'a, anyhow::Result<Piece>>;

impl Model {
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(match &settings.openai {
            Some(openai) => Self::Server(Server::new(openai)?),
            None => Self::Rules(Rules { pace: settings.rules_pace }),
        })
    }

    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Server(_) => "openai",
            Self::Rules(_) => "rules",
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Server(server) => server.model(),
            Self::Rules(_) => "tars-rules",
        }
    }

    /// How much of what is remembered the model wants, where a request does not say.
    pub(super) fn wants_memories(&self, question: &str) -> Option<u32> {
        match self {
            Self::Server(_) => None,
            Self::Rules(_) => Rules::wants_memories(question),
        }
    }

    pub(super) fn respond(&self, conversation: &Conversation) -> Pieces<'static> {
        match self {
            Self::Server(server) => server.respond(conversation),
            Self::Rules(rules) => rules.respond(conversation),
        }
    }
}
