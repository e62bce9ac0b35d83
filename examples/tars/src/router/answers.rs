//! The answers of the model, which come piece by piece.

use std::collections::VecDeque;

use super::sentences::Sentences;
use super::settings::Cut;
use crate::contracts::LlmStreamDelta;
use crate::shown::beginning;

/// How many answers are kept track of.
const KEPT: usize = 32;

/// How many bytes of an answer are spoken. What goes on for longer is at fault.
const LONGEST: usize = 32 << 10;

/// How long the id of an answer may be, in bytes.
const LONGEST_ID: usize = 256;

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
        if delta.id.len() > LONGEST_ID {
            return Vec::new();
        }
        let answer = self.to(&delta.id);
        if answer.is_over {
            return Vec::new();
        }
        if delta.seq == Some(0) {
            // The model was interrupted, and begins anew.
            answer.sentences = Sentences::default();
        }
        let piece = delta.delta.as_deref().unwrap_or_default();
        let room = LONGEST.saturating_sub(answer.sentences.len());
        let piece = beginning(piece, room);
        let mut said = answer.sentences.push(piece, cut);
        if delta.done {
            said.extend(answer.sentences.finish());
        }
        said
    }

    /// What is to be said when the whole has come; nothing when it is over.
    pub(super) fn whole(&mut self, id: &str, reply: &str, cut: &Cut) -> Option<Vec<String>> {
        if id.len() > LONGEST_ID {
            return None;
        }
        let answer = self.to(id);
        let was_over = std::mem::replace(&mut answer.is_over, true);
        let reply = beginning(reply, LONGEST);
        (!was_over).then(|| answer.sentences.complete(reply, cut))
    }

    /// It is not wanted any more.
    pub(super) fn cancel(&mut self, id: &str) {
        if id.len() <= LONGEST_ID {
            self.to(id).is_over = true;
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::settings::Settings;
    use crate::vars::Vars;

    #[test]
    fn an_answer_without_end_is_cut_off() {
        let cut = Settings::from_vars(&Vars::new(|_| None)).unwrap().cut;
        let mut answers = Answers::default();
        let piece = |id: &str, seq| LlmStreamDelta {
            id: id.into(),
            seq: Some(seq),
            delta: Some("Word after word é. ".repeat(1000)),
            ..LlmStreamDelta::default()
        };
        let said: usize = (1..50)
            .flat_map(|seq| answers.piece(&piece("a", seq), &cut))
            .map(|sentence| sentence.len())
            .sum();
        assert!(said > LONGEST / 2 && said <= LONGEST, "{said}");
        let whole = answers.whole("b", &"x".repeat(10 * LONGEST), &cut).unwrap();
        assert!(whole.iter().map(String::len).sum::<usize>() <= LONGEST);
        assert!(answers.piece(&piece(&"i".repeat(10_000), 1), &cut).is_empty());
        assert_eq!(answers.0.len(), 2);
    }
}
