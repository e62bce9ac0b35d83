//! Follows the conversation, to know when the robot has finished.

use std::collections::{HashMap, HashSet};

use crate::contracts::{
    LlmCancel, LlmRequest, LlmResponse, MovementStatusEvent, MovementStatusUpdate,
    TestMovementRequest, TtsEvent, TtsSay, TtsStatus,
};

/// How much of each kind is followed. A robot that is told more at once is not waited for.
const MOST: usize = 1000;

/// What goes on since something was said to the robot. Knows of events, and of nothing else.
///
/// Events of different kinds may be seen in another order than that in which they happened, and it
/// comes to the same.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    was_heard: bool,
    has_reacted: bool,
    /// How much is still to be spoken: less than nothing, if something was spoken that is not yet
    /// known to be said.
    unspoken: isize,
    /// How many letters were said about each utterance.
    said: HashMap<String, usize>,
    /// What the model was asked.
    questions: HashSet<String>,
    /// How many letters each answer has.
    answers: HashMap<String, usize>,
    /// What the robot was asked to move for.
    movements: HashSet<Option<String>>,
    /// What it has moved for.
    moved: HashSet<Option<String>>,
}

impl Conversation {
    /// Something is going to be said to the robot.
    pub(super) fn begin(&mut self) {
        *self = Self { unspoken: self.unspoken, ..Self::default() };
    }

    /// Whether it was heard.
    pub(super) fn was_heard(&self) -> bool {
        self.was_heard
    }

    /// Whether the robot has reacted to it.
    pub(super) fn has_reacted(&self) -> bool {
        self.has_reacted
    }

    /// Whether the robot has nothing to say and to do any more: it has spoken all it said, moved, and
    /// said as many letters as each answer has.
    pub(super) fn is_over(&self) -> bool {
        let said = |id| self.said.get(id).copied().unwrap_or_default();
        let is_said = |id| self.answers.get(id).is_some_and(|letters| said(id) >= *letters);
        self.unspoken == 0
            && self.questions.iter().all(is_said)
            && self.movements.is_subset(&self.moved)
    }

    pub(super) fn heard(&mut self) {
        self.was_heard = true;
    }

    pub(super) fn called(&mut self) {
        self.has_reacted = true;
    }

    pub(super) fn asked(&mut self, request: LlmRequest) {
        self.has_reacted = true;
        if self.questions.len() < MOST {
            self.questions.insert(request.id);
        }
    }

    pub(super) fn answered(&mut self, response: LlmResponse) {
        // If there is no answer, the router says so.
        let letters = response.reply.as_deref().map_or(1, letters);
        self.ends(response.id, letters);
    }

    /// The answer to a question has so many letters.
    fn ends(&mut self, id: String, letters: usize) {
        if self.answers.len() < MOST || self.questions.contains(&id) {
            self.answers.insert(id, letters);
        }
    }

    pub(super) fn cancelled(&mut self, cancel: LlmCancel) {
        self.ends(cancel.id, 0);
    }

    pub(super) fn says(&mut self, say: TtsSay) {
        self.has_reacted = true;
        self.unspoken += 1;
        if let Some(id) = say.utt_id
            && (self.said.len() < MOST || self.questions.contains(&id))
        {
            *self.said.entry(id).or_default() += letters(&say.text);
        }
    }

    pub(super) fn spoken(&mut self, status: TtsStatus) {
        if matches!(status.event, TtsEvent::SpeakingEnd | TtsEvent::Stopped) {
            self.unspoken -= 1;
        }
        // What is stopped is not said to the end.
        if status.event == TtsEvent::Stopped
            && let Some(id) = status.utt_id
        {
            self.ends(id, 0);
        }
    }

    pub(super) fn moves(&mut self, request: TestMovementRequest) {
        self.has_reacted = true;
        if self.movements.len() < MOST {
            self.movements.insert(request.request_id);
        }
    }

    pub(super) fn moved(&mut self, status: MovementStatusUpdate) {
        use MovementStatusEvent::{CommandCompleted, CommandFailed, EmergencyStop, QueueFull};
        match status.event {
            CommandCompleted | CommandFailed | QueueFull
                if self.moved.len() < MOST || self.movements.contains(&status.request_id) =>
            {
                self.moved.insert(status.request_id);
            }
            EmergencyStop => {
                self.moved.extend(self.movements.iter().cloned());
                self.moved.insert(status.request_id);
            }
            _ => {}
        }
    }
}

fn letters(text: &str) -> usize {
    text.chars().filter(|c| c.is_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> TtsSay {
        TtsSay { text: text.into(), utt_id: Some("u".into()), ..TtsSay::default() }
    }

    fn status(event: TtsEvent) -> TtsStatus {
        TtsStatus { event, utt_id: Some("u".into()), ..TtsStatus::default() }
    }

    fn asked() -> Conversation {
        let mut conversation = Conversation::default();
        assert!(!conversation.has_reacted());
        conversation.asked(LlmRequest { id: "u".into(), ..LlmRequest::default() });
        assert!(conversation.has_reacted());
        conversation
    }

    fn reply(text: &str) -> LlmResponse {
        LlmResponse { id: "u".into(), reply: Some(text.into()), ..LlmResponse::default() }
    }

    #[test]
    fn an_answer_is_over_when_all_of_it_is_spoken() {
        let mut conversation = asked();
        conversation.says(say("One."));
        conversation.spoken(status(TtsEvent::SpeakingEnd));
        assert!(!conversation.is_over(), "more may come");
        conversation.answered(reply("One. Two!"));
        assert!(!conversation.is_over(), "the rest has not been said");
        conversation.says(say("Two!"));
        assert!(!conversation.is_over(), "the rest has not been spoken");
        conversation.spoken(status(TtsEvent::SpeakingEnd));
        assert!(conversation.is_over());
    }

    #[test]
    fn it_comes_to_the_same_in_another_order() {
        let mut conversation = Conversation::default();
        conversation.answered(reply("One."));
        conversation.spoken(status(TtsEvent::SpeakingEnd));
        assert!(!conversation.is_over());
        conversation.asked(LlmRequest { id: "u".into(), ..LlmRequest::default() });
        assert!(!conversation.is_over());
        conversation.says(say("One."));
        assert!(conversation.is_over());
    }

    #[test]
    fn an_answer_is_over_when_it_is_stopped_or_cancelled() {
        let mut conversation = asked();
        conversation.says(say("One."));
        conversation.spoken(status(TtsEvent::Stopped));
        assert!(conversation.is_over());
        let mut conversation = asked();
        conversation.cancelled(LlmCancel { id: "u".into(), ..LlmCancel::default() });
        assert!(conversation.is_over());
    }

    #[test]
    fn an_answer_that_does_not_come_is_over_when_that_has_been_said() {
        let mut conversation = asked();
        conversation.answered(LlmResponse { id: "u".into(), ..LlmResponse::default() });
        assert!(!conversation.is_over());
        conversation.says(say("Sorry."));
        conversation.spoken(status(TtsEvent::SpeakingEnd));
        assert!(conversation.is_over());
    }

    #[test]
    fn a_movement_is_over_when_it_is_done() {
        for end in [MovementStatusEvent::CommandCompleted, MovementStatusEvent::EmergencyStop] {
            let mut conversation = Conversation::default();
            let request_id = Some("u".to_owned());
            conversation.moves(TestMovementRequest { request_id, ..Default::default() });
            for (event, is_over) in [(MovementStatusEvent::CommandStarted, false), (end, true)] {
                let request_id = Some("u".to_owned());
                conversation.moved(MovementStatusUpdate {
                    event,
                    request_id,
                    ..Default::default()
                });
                assert_eq!(conversation.is_over(), is_over);
            }
        }
    }

    #[test]
    fn no_more_is_followed_than_there_is_room_for() {
        let mut conversation = asked();
        for number in 0..10 * MOST {
            let id = number.to_string();
            conversation.asked(LlmRequest { id: id.clone(), ..LlmRequest::default() });
            conversation.answered(LlmResponse { id: id.clone(), ..LlmResponse::default() });
            conversation.says(TtsSay { utt_id: Some(id.clone()), ..TtsSay::default() });
            let request_id = Some(id);
            conversation.moves(TestMovementRequest { request_id, ..Default::default() });
        }
        assert_eq!(conversation.questions.len(), MOST);
        assert!(conversation.answers.len() <= MOST + 1 && conversation.said.len() <= MOST + 1);
        assert_eq!(conversation.movements.len(), MOST);
    }

    #[test]
    fn what_is_still_spoken_belongs_to_what_is_said_next() {
        let mut conversation = Conversation::default();
        conversation.heard();
        conversation.says(say("One."));
        conversation.begin();
        assert!(!conversation.was_heard() && !conversation.has_reacted());
        assert!(!conversation.is_over());
    }
}
