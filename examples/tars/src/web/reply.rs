//! One answer of the robot: thought piece by piece, and spoken sentence by sentence.

use serde::Serialize;

use super::text::shortened;
use crate::contracts::TtsEvent;

/// How many sentences an answer has at most; more of them begin another one.
const SENTENCES: usize = 50;

/// How many bytes they have together at most, likewise.
const LONGEST: usize = 20_000;

/// What the robot answers to an utterance.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Reply {
    #[serde(skip)]
    id: Option<String>,
    said: Vec<Sentence>,
    /// The part of what the model thought that was not yet given to the voice.
    unsaid: String,
    /// Whether the model is still thinking.
    growing: bool,
    error: Option<String>,
    #[serde(skip)]
    thought: String,
    /// Whether nothing more of the model counts.
    #[serde(skip)]
    decided: bool,
}

#[derive(Clone, Debug, Serialize)]
struct Sentence {
    text: String,
    state: SpeechState,
    /// Whether the voice was seen to be told. It may be heard before that.
    #[serde(skip)]
    was_asked_for: bool,
}

/// How far the voice is with a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SpeechState {
    /// It is to be spoken.
    Waiting,
    /// It is being spoken.
    Speaking,
    /// It rests.
    Paused,
    /// It has been spoken.
    Spoken,
    /// Its rest will not be spoken.
    Stopped,
}

impl SpeechState {
    /// What a sentence is after something has happened to it.
    pub(super) fn after(event: TtsEvent) -> Self {
        match event {
            TtsEvent::SpeakingStart | TtsEvent::Resumed => Self::Speaking,
            TtsEvent::SpeakingEnd => Self::Spoken,
            TtsEvent::Paused => Self::Paused,
            TtsEvent::Stopped => Self::Stopped,
        }
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Spoken | Self::Stopped)
    }
}

impl Reply {
    /// To the utterance with this id.
    pub(super) fn to(id: Option<String>) -> Self {
        Self { id, ..Self::default() }
    }

    /// Whether this is the answer to an utterance, and has room for more.
    pub(super) fn answers(&self, id: &str) -> bool {
        let length: usize = self.said.iter().map(|sentence| sentence.text.len()).sum();
        self.id.as_deref() == Some(id) && self.said.len() < SENTENCES && length < LONGEST
    }

    /// Whether a sentence of this is yet to be spoken. Without an id, or a text, any will do.
    pub(super) fn awaits(&self, id: Option<&str>, text: &str) -> bool {
        (id.is_none() || self.id.as_deref() == id)
            && self.said.iter().any(|sentence| sentence.is_meant(text))
    }

    /// The model goes on.
    pub(super) fn think(&mut self, piece: &str, is_last: bool) {
        if self.decided {
            return;
        }
        self.thought = shortened(std::mem::take(&mut self.thought) + piece);
        self.growing = !is_last;
        self.settle();
    }

    /// The model has come to an end.
    pub(super) fn decide(&mut self, reply: Option<String>, error: Option<String>) {
        if let Some(reply) = reply {
            self.thought = shortened(reply);
        }
        self.error = error.map(shortened);
        (self.growing, self.decided) = (false, true);
        self.settle();
    }

    /// What the model thought no longer counts.
    pub(super) fn give_up(&mut self) {
        self.decide(Some(String::new()), None);
    }

    /// Whether a sentence of this was heard before the voice was seen to be told.
    pub(super) fn anticipates(&self, id: Option<&str>, text: &str) -> bool {
        self.id.as_deref() == id && self.said.iter().any(|sentence| sentence.anticipates(text))
    }

    /// The voice is told to speak a sentence.
    pub(super) fn say(&mut self, text: String) {
        match self.said.iter_mut().find(|sentence| sentence.anticipates(&text)) {
            Some(sentence) => sentence.was_asked_for = true,
            None => self.add(text, SpeechState::Waiting, true),
        }
    }

    /// The voice begins a sentence that it was not seen to be told.
    pub(super) fn begin(&mut self, text: String) {
        self.add(text, SpeechState::Speaking, false);
    }

    fn add(&mut self, text: String, state: SpeechState, was_asked_for: bool) {
        self.said.push(Sentence { text: shortened(text), state, was_asked_for });
        self.settle();
    }

    /// The voice goes on with a sentence.
    pub(super) fn speak(&mut self, text: &str, state: SpeechState) {
        if let Some(sentence) = self.said.iter_mut().find(|sentence| sentence.is_meant(text)) {
            sentence.state = state;
        }
    }

    /// Finds what is left to say: what was thought, without what was said. White space does not
    /// count, for sentences are trimmed. If something else was said, all that was thought is left.
    fn settle(&mut self) {
        let mut left = self.thought.trim_start();
        let said = self.said.iter().flat_map(|sentence| sentence.text.chars());
        for character in said.filter(|character| !character.is_whitespace()) {
            match left.strip_prefix(character) {
                Some(rest) => left = rest.trim_start(),
                None if left.is_empty() => break,
                None => {
                    left = &self.thought;
                    break;
                }
            }
        }
        self.unsaid = left.to_owned();
    }
}

impl Sentence {
    /// Whether news of the voice are about this.
    fn is_meant(&self, text: &str) -> bool {
        !self.state.is_over() && (text.is_empty() || self.text == text)
    }

    fn anticipates(&self, text: &str) -> bool {
        !self.was_asked_for && self.text == text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsaid(thought: &str, said: &[&str]) -> String {
        let mut reply = Reply::default();
        reply.think(thought, false);
        for text in said {
            reply.say((*text).to_owned());
        }
        reply.unsaid
    }

    #[test]
    fn what_was_said_is_no_longer_unsaid_whatever_its_white_space() {
        assert_eq!(unsaid("One.  Two. Thr", &["One.", "Two."]), "Thr");
        assert_eq!(unsaid("One. Two.", &["One. Two."]), "");
        assert_eq!(unsaid("One\ntwo. ", &["One two."]), "");
    }

    #[test]
    fn what_was_said_before_it_was_heard_from_the_model_is_not_said_twice() {
        assert_eq!(unsaid("On", &["One."]), "");
        assert_eq!(unsaid("", &["One."]), "");
    }

    #[test]
    fn where_something_else_was_said_the_whole_thought_is_left() {
        assert_eq!(unsaid("One. Two.", &["Never mind."]), "One. Two.");
    }

    #[test]
    fn an_answer_is_full_at_some_time() {
        let mut reply = Reply::to(Some("u1".to_owned()));
        for _ in 0..SENTENCES {
            assert!(reply.answers("u1"));
            reply.say("Again.".to_owned());
        }
        assert!(!reply.answers("u1"));
        assert!(!reply.answers("u2"));
        let mut reply = Reply::to(Some("u1".to_owned()));
        let said = (0..SENTENCES).take_while(|_| {
            reply.say("x".repeat(1_000_000));
            reply.answers("u1")
        });
        assert!(said.count() < 10);
    }
}
