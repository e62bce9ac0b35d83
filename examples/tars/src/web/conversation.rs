//! What was said, and what the robot is about to say.

use std::collections::VecDeque;

use serde::Serialize;

use super::reply::{Reply, SpeechState};
use super::text::{self, id, shortened};
use crate::contracts::{
    FinalTranscript, LlmResponse, LlmStreamDelta, PartialTranscript, Timestamp, TtsEvent, TtsSay,
    TtsStatus,
};

/// How much of a conversation is kept.
const LONGEST: usize = 100;

/// The end of a conversation, oldest first.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Conversation {
    entries: VecDeque<Entry>,
    #[serde(skip)]
    next_key: u64,
}

/// Something that was said.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    /// Tells it from others; an entry that comes again replaces the one with the same key.
    key: u64,
    /// When it began.
    at: Timestamp,
    #[serde(flatten)]
    turn: Turn,
}

/// Whose turn it was.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "who", rename_all = "snake_case")]
enum Turn {
    You(Heard),
    Tars(Reply),
}

/// What was said to the robot.
#[derive(Clone, Debug, Serialize)]
struct Heard {
    #[serde(skip)]
    utt_id: Option<String>,
    text: String,
    /// Whether there is more to come.
    growing: bool,
}

impl Conversation {
    /// Someone is speaking.
    pub(super) fn partial(&mut self, partial: PartialTranscript) -> Option<Entry> {
        self.hear(partial.utt_id, partial.text, true)
    }

    /// Someone has spoken.
    pub(super) fn heard(&mut self, said: FinalTranscript) -> Option<Entry> {
        self.hear(said.utt_id, said.text, false)
    }

    fn hear(&mut self, utt_id: Option<String>, text: String, growing: bool) -> Option<Entry> {
        let (utt_id, text) = (utt_id.map(id), shortened(text));
        let same = self.entries.iter_mut().rev().find_map(|entry| match &mut entry.turn {
            Turn::You(heard) if heard.utt_id == utt_id => Some((entry.key, heard)),
            _ => None,
        });
        match same {
            Some((key, heard)) if heard.growing => {
                (heard.text, heard.growing) = (text, growing);
                self.entry(key)
            }
            // Partials take another way, and may be overtaken by what they are a part of.
            Some(_) if growing && utt_id.is_some() => None,
            _ => {
                let key = self.push(Turn::You(Heard { utt_id, text, growing }));
                self.entry(key)
            }
        }
    }

    /// The model goes on with its answer.
    pub(super) fn delta(&mut self, delta: LlmStreamDelta) -> Option<Entry> {
        self.in_reply(Some(delta.id), |reply| {
            reply.think(delta.delta.as_deref().unwrap_or_default(), delta.done);
        })
    }

    /// The model has answered.
    pub(super) fn response(&mut self, response: LlmResponse) -> Option<Entry> {
        self.in_reply(Some(response.id), |reply| reply.decide(response.reply, response.error))
    }

    /// The model is to answer no more.
    pub(super) fn cancel(&mut self, id: &str) -> Option<Entry> {
        let key = self.reply_to(&text::id(id.to_owned()))?;
        self.change(key, Reply::give_up)
    }

    /// Something is to be spoken.
    pub(super) fn say(&mut self, say: TtsSay) -> Option<Entry> {
        let TtsSay { text, utt_id, .. } = say;
        let utt_id = utt_id.map(text::id);
        match self.find(|reply| reply.anticipates(utt_id.as_deref(), &text)) {
            Some(key) => self.change(key, |reply| reply.say(text)),
            None => self.in_reply(utt_id, |reply| reply.say(text)),
        }
    }

    /// Speaking goes on.
    pub(super) fn speak(&mut self, status: TtsStatus) -> Option<Entry> {
        let TtsStatus { event, text, utt_id, .. } = status;
        let utt_id = utt_id.map(text::id);
        match self.find(|reply| reply.awaits(utt_id.as_deref(), &text)) {
            Some(key) => self.change(key, |reply| reply.speak(&text, SpeechState::after(event))),
            None if event == TtsEvent::SpeakingStart => {
                self.in_reply(utt_id, |reply| reply.begin(text))
            }
            None => None,
        }
    }

    /// The first reply that is meant.
    fn find(&self, is_meant: impl Fn(&Reply) -> bool) -> Option<u64> {
        self.entries.iter().find_map(|entry| match &entry.turn {
            Turn::Tars(reply) if is_meant(reply) => Some(entry.key),
            _ => None,
        })
    }

    /// Changes the reply to an utterance, which begins with this if there is none.
    fn in_reply(&mut self, id: Option<String>, change: impl FnOnce(&mut Reply)) -> Option<Entry> {
        let id = id.map(text::id);
        let key = match id.as_deref().and_then(|id| self.reply_to(id)) {
            Some(key) => key,
            None => self.push(Turn::Tars(Reply::to(id))),
        };
        self.change(key, change)
    }

    fn reply_to(&self, id: &str) -> Option<u64> {
        self.entries.iter().rev().find_map(|entry| match &entry.turn {
            Turn::Tars(reply) if reply.answers(id) => Some(entry.key),
            _ => None,
        })
    }

    fn change(&mut self, key: u64, change: impl FnOnce(&mut Reply)) -> Option<Entry> {
        let entry = self.entries.iter_mut().find(|entry| entry.key == key)?;
        if let Turn::Tars(reply) = &mut entry.turn {
            change(reply);
        }
        Some(entry.clone())
    }

    fn push(&mut self, turn: Turn) -> u64 {
        if self.entries.len() == LONGEST {
            self.entries.pop_front();
        }
        self.next_key += 1;
        self.entries.push_back(Entry { key: self.next_key, at: Timestamp::default(), turn });
        self.next_key
    }

    fn entry(&self, key: u64) -> Option<Entry> {
        self.entries.iter().find(|entry| entry.key == key).cloned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn partial(utt_id: Option<&str>, text: &str) -> PartialTranscript {
        let utt_id = utt_id.map(str::to_owned);
        PartialTranscript { text: text.into(), utt_id, ..PartialTranscript::default() }
    }

    fn last(utt_id: Option<&str>, text: &str) -> FinalTranscript {
        let utt_id = utt_id.map(str::to_owned);
        FinalTranscript { text: text.into(), utt_id, ..FinalTranscript::default() }
    }

    fn delta(id: &str, text: &str, done: bool) -> LlmStreamDelta {
        let delta = Some(text.to_owned());
        LlmStreamDelta { id: id.into(), delta, done, ..LlmStreamDelta::default() }
    }

    fn say(utt_id: &str, text: &str) -> TtsSay {
        TtsSay { text: text.into(), utt_id: Some(utt_id.into()), ..TtsSay::default() }
    }

    fn status(event: TtsEvent, utt_id: Option<&str>, text: &str) -> TtsStatus {
        let utt_id = utt_id.map(str::to_owned);
        TtsStatus { event, text: text.into(), utt_id, ..TtsStatus::default() }
    }

    /// As the page is told, without what differs each time.
    fn shown(conversation: &Conversation) -> Vec<Value> {
        let mut entries = serde_json::to_value(conversation).unwrap();
        for entry in entries.as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().retain(|key, _| key != "key" && key != "at");
        }
        entries.as_array().unwrap().clone()
    }

    #[test]
    fn an_utterance_grows_until_it_is_final() {
        for utt_id in [Some("u1"), None] {
            let mut conversation = Conversation::default();
            conversation.partial(partial(utt_id, "what"));
            conversation.partial(partial(utt_id, "what time"));
            assert_eq!(
                shown(&conversation),
                [json!({"who": "you", "text": "what time", "growing": true})]
            );
            conversation.heard(last(utt_id, "What time is it?"));
            conversation.heard(last(utt_id.map(|_| "u2"), "And now?"));
            assert_eq!(
                shown(&conversation),
                [
                    json!({"who": "you", "text": "What time is it?", "growing": false}),
                    json!({"who": "you", "text": "And now?", "growing": false}),
                ]
            );
        }
    }

    #[test]
    fn a_partial_that_comes_after_its_final_is_passed_over() {
        let mut conversation = Conversation::default();
        conversation.heard(last(Some("u1"), "What time is it?"));
        assert!(conversation.partial(partial(Some("u1"), "what time")).is_none());
        assert_eq!(shown(&conversation).len(), 1);
    }

    #[test]
    fn what_the_model_streams_turns_into_what_is_spoken() {
        let mut conversation = Conversation::default();
        conversation.delta(delta("u1", "It is noon. Or", false));
        conversation.say(say("u1", "It is noon."));
        assert_eq!(
            shown(&conversation),
            [json!({
                "who": "tars", "unsaid": "Or", "growing": true, "error": null,
                "said": [{"text": "It is noon.", "state": "waiting"}],
            })]
        );
        conversation.speak(status(TtsEvent::SpeakingStart, Some("u1"), "It is noon."));
        conversation.delta(delta("u1", " so.", true));
        conversation.say(say("u1", "Or so."));
        conversation.speak(status(TtsEvent::SpeakingEnd, Some("u1"), "It is noon."));
        assert_eq!(
            shown(&conversation),
            [json!({
                "who": "tars", "unsaid": "", "growing": false, "error": null,
                "said": [
                    {"text": "It is noon.", "state": "spoken"},
                    {"text": "Or so.", "state": "waiting"},
                ],
            })]
        );
    }

    #[test]
    fn an_answer_to_another_utterance_is_another_entry() {
        let mut conversation = Conversation::default();
        conversation.say(say("u1", "One."));
        conversation.say(say("u2", "Two."));
        conversation.say(TtsSay { text: "To nobody.".into(), ..TtsSay::default() });
        conversation.say(TtsSay { text: "Nor this.".into(), ..TtsSay::default() });
        assert_eq!(shown(&conversation).len(), 4);
    }

    #[test]
    fn speech_that_rests_or_is_ended_is_found_by_what_is_being_spoken() {
        let mut conversation = Conversation::default();
        conversation.say(say("u1", "One."));
        conversation.say(say("u1", "Two."));
        let mut state_after = |event, utt_id, text| {
            conversation.speak(status(event, utt_id, text));
            shown(&conversation)[0]["said"][0]["state"].clone()
        };
        assert_eq!(state_after(TtsEvent::SpeakingStart, Some("u1"), "One."), "speaking");
        assert_eq!(state_after(TtsEvent::Paused, None, ""), "paused");
        assert_eq!(state_after(TtsEvent::Resumed, Some("u1"), ""), "speaking");
        assert_eq!(state_after(TtsEvent::Stopped, Some("u1"), "One."), "stopped");
        assert_eq!(state_after(TtsEvent::SpeakingEnd, Some("u1"), "One."), "stopped");
    }

    #[test]
    fn what_is_spoken_without_having_been_asked_for_is_shown_too() {
        let mut conversation = Conversation::default();
        conversation.speak(status(TtsEvent::SpeakingEnd, Some("x"), "Unheard."));
        assert_eq!(shown(&conversation).len(), 0);
        conversation.speak(status(TtsEvent::SpeakingStart, Some("x"), "Hello."));
        assert_eq!(shown(&conversation)[0]["said"][0]["text"], "Hello.");
    }

    #[test]
    fn what_is_spoken_before_it_is_seen_to_be_asked_for_is_shown_once() {
        for utt_id in [Some("u1"), None] {
            let say = TtsSay { utt_id: utt_id.map(str::to_owned), ..say("", "One.") };
            let mut conversation = Conversation::default();
            conversation.speak(status(TtsEvent::SpeakingStart, utt_id, "One."));
            conversation.speak(status(TtsEvent::SpeakingEnd, utt_id, "One."));
            conversation.say(say.clone());
            let spoken = json!([{ "text": "One.", "state": "spoken" }]);
            assert_eq!(shown(&conversation)[0]["said"], spoken);
            assert_eq!(shown(&conversation).len(), 1);
            conversation.say(say);
            let said: usize = shown(&conversation)
                .iter()
                .map(|entry| entry["said"].as_array().unwrap().len())
                .sum();
            assert_eq!(said, 2, "what is said twice is shown twice");
        }
    }

    #[test]
    fn an_error_of_the_model_is_shown_and_a_cancelled_answer_is_dropped() {
        let mut conversation = Conversation::default();
        let error = Some("no model".to_owned());
        conversation.response(LlmResponse { id: "u1".into(), error, ..LlmResponse::default() });
        assert_eq!(shown(&conversation)[0]["error"], "no model");

        conversation.delta(delta("u2", "It is a long st", false));
        conversation.cancel("u2");
        conversation.delta(delta("u2", "ory", false));
        let reply = &shown(&conversation)[1];
        assert_eq!((&reply["unsaid"], &reply["growing"]), (&json!(""), &json!(false)));
        assert!(conversation.cancel("never heard of").is_none());
    }

    #[test]
    fn only_the_end_of_a_long_conversation_is_kept() {
        let mut conversation = Conversation::default();
        for number in 0..LONGEST + 5 {
            conversation.heard(last(Some(&number.to_string()), &number.to_string()));
        }
        let entries = shown(&conversation);
        assert_eq!(entries.len(), LONGEST);
        assert_eq!(entries[0]["text"], "5");
    }
}
