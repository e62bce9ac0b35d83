//! The answers of the model, which come piece by piece.

use std::collections::VecDeque;

use super::sentences::Sentences;
use super::settings::Cut;
use crate::contracts::LlmStreamDelta;

/// How many answers are kept track of.
const KEPT: usize = 32;

/// Answers by the ids of their questions.
#[derive(Debug, Default)]
pub(super) struct Answers(VecDeque<Answer>);

#[derive(Debug)]
struct Answer {
    id: String,
    sentences: Sentences,
    /// The whole has come, or is not wanted any more.
    is_over: bool,
}

impl Answers {
    /// What is to be said when a piece has come.
    pub(super) fn piece(&mut self, delta: &LlmStreamDelta, cut: &Cut) -> Vec<String> {
        let answer = self.to(&delta.id);
        if answer.is_over {
            return Vec::new();
        }
        if delta.seq == Some(0) {
            // The model was interrupted, and begins anew.
            answer.sentences = Sentences::default();
        }
        let mut said = answer.sentences.push(delta.delta.as_deref().unwrap_or_default(), cut);
        if delta.done {
            said.extend(answer.sentences.finish());
        }
        said
    }

    /// What is to be said when the whole has come; nothing when it is over.
    pub(super) fn whole(&mut self, id: &str, reply: &str, cut: &Cut) -> Option<Vec<String>> {
        let answer = self.to(id);
        let was_over = std::mem::replace(&mut answer.is_over, true);
        (!was_over).then(|| answer.sentences.complete(reply, cut))
    }

    /// It is not wanted any more.
    pub(super) fn cancel(&mut self, id: &str) {
        self.to(id).is_over = true;
    }

    fn to(&mut self, id: &str) -> &mut Answer {
        let at = self.0.iter().position(|answer| answer.id == id).unwrap_or_else(|| {
            if self.0.len() == KEPT {
                self.0.pop_front();
            }
            let sentences = Sentences::default();
            self.0.push_back(Answer { id: id.to_owned(), sentences, is_over: false });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}
