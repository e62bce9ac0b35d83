//! Decides what follows from what happens. Knows of events, and of nothing else.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::answers::Answers;
use super::movements::movement;
use super::rules;
use super::settings::Settings;
use crate::contracts::{
    ConversationMessage, FinalTranscript, Id, LlmRequest, LlmResponse, LlmStreamDelta, Role,
    TestMovementRequest, Timestamp, TtsEvent, TtsSay, TtsStatus, WakeEvent, WakeKind,
};
use crate::phrases::{after, plain, verdict};
use crate::shown::{LogLimit, beginning, quoted};

/// How long it listens after it has spoken.
const RESPONSE_WINDOW: Duration = Duration::from_secs(10);
/// How many messages of the conversation the model is told.
const HISTORY: usize = 10;

/// How much of a message the model is told, in bytes.
const LONGEST: usize = 8 << 10;

static NO_ANSWER_LOG: LogLimit = LogLimit::new();
static UNKNOWN_LOG: LogLimit = LogLimit::new();

/// What is said when the model fails.
const NO_ANSWER: &str = "Sorry, I have no answer to that.";

/// What is to be done.
#[derive(Debug)]
pub(super) enum Decision {
    Say(TtsSay),
    Ask(LlmRequest),
    Move(TestMovementRequest),
}

/// What the router knows.
#[derive(Debug)]
pub(super) struct Brain {
    settings: Settings,
    /// Gone once it has been announced.
    speech: Option<Speech>,
    is_live: bool,
    wake_window: Option<Instant>,
    /// The wake window was opened while something was spoken.
    is_interrupted: bool,
    response_window: Option<Instant>,
    acks: usize,
    called: Called,
    history: VecDeque<ConversationMessage>,
    answers: Answers,
}

/// Which of the speech services are well.
#[derive(Debug, Default)]
struct Speech {
    tts: bool,
    stt: bool,
}

/// An utterance that begins with the wake phrase and goes on. The wake service hears it at the same
/// time as the router, so that its event may come before or after; it bears the utterance's
/// correlation id.
#[derive(Debug, Default)]
enum Called {
    #[default]
    Not,
    /// Nobody listened yet; the question waits for the wake event.
    Waits(String, FinalTranscript),
    /// It was listened to; the wake event has nothing to add.
    Served(String),
}

impl Brain {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            is_live: settings.live_mode_default,
            speech: settings.online_announce.then(Speech::default),
            settings,
            wake_window: None,
            is_interrupted: false,
            response_window: None,
            acks: 0,
            called: Called::Not,
            history: VecDeque::new(),
            answers: Answers::default(),
        }
    }

    pub(super) fn tts_health(&mut self, ok: bool) -> Option<Decision> {
        self.speech.as_mut()?.tts = ok;
        self.announce()
    }

    pub(super) fn stt_health(&mut self, ok: bool) -> Option<Decision> {
        self.speech.as_mut()?.stt = ok;
        self.announce()
    }

    fn announce(&mut self) -> Option<Decision> {
        self.speech.take_if(|speech| speech.tts && speech.stt)?;
        let say = self.say(&self.settings.online_text, Some("boot".to_owned()))?;
        Some(Decision::Say(TtsSay { system_announce: Some(true), ..say }))
    }

    /// `id` is the event's correlation id.
    pub(super) fn wake(&mut self, id: &str, event: WakeEvent, now: Instant) -> Option<Decision> {
        self.is_interrupted = event.kind == WakeKind::Interrupt;
        if event.kind != WakeKind::Wake {
            self.called = Called::Not;
        }
        let text = match event.kind {
            WakeKind::Wake => return self.wake_up(id, &event, now),
            WakeKind::Interrupt => {
                self.wake_window = Some(now + self.settings.wake_window);
                &self.settings.wake_interrupt_text
            }
            WakeKind::Resume => &self.settings.wake_resume_text,
            WakeKind::Cancelled => &self.settings.wake_cancel_text,
            WakeKind::Timeout => &self.settings.wake_timeout_text,
            WakeKind::Other(other) => {
                if UNKNOWN_LOG.allows() {
                    let kind = quoted(&other);
                    tracing::warn!(kind, "a wake event of an unknown type is passed over");
                }
                return None;
            }
        };
        let say = self.say(text, event.tts_id);
        if event.kind != WakeKind::Interrupt {
            self.close_windows();
        }
        say.map(Decision::Say)
    }

    fn wake_up(&mut self, id: &str, event: &WakeEvent, now: Instant) -> Option<Decision> {
        match std::mem::take(&mut self.called) {
            Called::Served(utterance) if utterance == id => return None,
            Called::Waits(utterance, question) if utterance == id => return self.answer(question),
            _ => self.wake_window = Some(now + self.settings.wake_window),
        }
        let choices = &self.settings.wake_ack_choices;
        // Who has asked already needs not be asked what for.
        let is_asked = event.cause.as_deref() == Some(WakeEvent::QUESTION);
        if is_asked || !self.settings.wake_ack_enabled || choices.is_empty() {
            return None;
        }
        let say = self.say(&choices[self.acks % choices.len()], Some(Id::default().0))?;
        self.acks += 1;
        let style = Some(self.settings.wake_ack_style.clone());
        Some(Decision::Say(TtsSay { style, wake_ack: Some(true), ..say }))
    }

    pub(super) fn spoken(&mut self, status: &TtsStatus, now: Instant) {
        if status.event == TtsEvent::SpeakingEnd && status.wake_ack != Some(true) {
            self.response_window = Some(now + RESPONSE_WINDOW);
        }
    }

    /// `id` is the transcript's correlation id.
    pub(super) fn heard(
        &mut self,
        id: &str,
        mut heard: FinalTranscript,
        now: Instant,
    ) -> Option<Decision> {
        let phrases = &self.settings.wake_phrases;
        let question = phrases.iter().find_map(|phrase| after(&heard.text, phrase));
        let is_called = question.is_some();
        if let Some(question) = question.map(str::to_owned) {
            heard.text = question;
        }
        // To be called and nothing more is the wake service's business.
        if heard.text.trim().is_empty() {
            return None;
        }
        let open = [self.wake_window, self.response_window];
        let listens = self.is_live || open.iter().flatten().any(|end| now < *end);
        if !listens {
            if is_called {
                self.called = Called::Waits(id.to_owned(), heard);
            }
            return None;
        }
        // What becomes of what was being spoken is for the wake service to decide.
        if std::mem::take(&mut self.is_interrupted) && verdict(&heard.text).is_some() {
            return None;
        }
        if is_called {
            self.called = Called::Served(id.to_owned());
        }
        self.answer(heard)
    }

    fn answer(&mut self, heard: FinalTranscript) -> Option<Decision> {
        self.close_windows();
        if let Some(text) = self.switch_live_mode(&heard.text) {
            return self.say(&text, heard.utt_id).map(Decision::Say);
        }
        if let Some(command) = movement(&heard.text) {
            return Some(Decision::Move(TestMovementRequest {
                command,
                request_id: heard.utt_id,
                ..TestMovementRequest::default()
            }));
        }
        if let Some(answer) = rules::answer(&heard.text, time_of_day) {
            let say = self.say(&answer.text, heard.utt_id)?;
            let style = Some(answer.style.to_owned());
            return Some(Decision::Say(TtsSay { style, stt_ts: Some(heard.ts.0), ..say }));
        }
        self.remember(Role::User, &heard.text, heard.ts.0);
        Some(Decision::Ask(LlmRequest {
            id: heard.utt_id.unwrap_or_else(|| Id::default().0),
            text: heard.text,
            stream: self.settings.llm_tts_stream,
            conversation_history: Some(self.history.iter().cloned().collect()),
            ..LlmRequest::default()
        }))
    }

    /// What is said about it, if this is about live mode.
    fn switch_live_mode(&mut self, text: &str) -> Option<String> {
        let text = plain(text);
        let wanted = if text == plain(&self.settings.live_mode_enter_phrase) {
            true
        } else if text == plain(&self.settings.live_mode_exit_phrase) {
            false
        } else {
            return None;
        };
        let was_live = std::mem::replace(&mut self.is_live, wanted);
        let said = match (was_live, wanted) {
            (false, true) => &self.settings.live_mode_enter_ack,
            (true, true) => &self.settings.live_mode_active_hint,
            (true, false) => &self.settings.live_mode_exit_ack,
            (false, false) => &self.settings.live_mode_inactive_hint,
        };
        Some(said.clone())
    }

    pub(super) fn streamed(&mut self, delta: &LlmStreamDelta) -> Vec<Decision> {
        if !self.settings.llm_tts_stream {
            return Vec::new();
        }
        let said = self.answers.piece(delta, &self.settings.cut);
        self.reply(&delta.id, &said)
    }

    pub(super) fn answered(&mut self, response: &LlmResponse) -> Vec<Decision> {
        let LlmResponse { id, reply, error, .. } = response;
        let whole = reply.as_deref().unwrap_or(NO_ANSWER);
        let Some(said) = self.answers.whole(id, whole, &self.settings.cut) else {
            return Vec::new();
        };
        match reply {
            Some(reply) => self.remember(Role::Assistant, reply, Timestamp::default().0),
            None if NO_ANSWER_LOG.allows() => {
                let (id, error) = (quoted(id), error.as_deref().map(quoted));
                tracing::warn!(id, error, "the model gives no answer");
            }
            None => {}
        }
        self.reply(id, &said)
    }

    pub(super) fn cancelled(&mut self, id: &str) {
        self.answers.cancel(id);
    }

    fn reply(&self, id: &str, said: &[String]) -> Vec<Decision> {
        let say = |text: &String| self.say(text, Some(id.to_owned())).map(Decision::Say);
        said.iter().filter_map(say).collect()
    }

    /// Nothing, if there is nothing to be said.
    fn say(&self, text: &str, utt_id: Option<String>) -> Option<TtsSay> {
        (!text.trim().is_empty()).then(|| TtsSay {
            text: text.to_owned(),
            voice: Some(self.settings.tts_voice.clone()),
            lang: Some("en".to_owned()),
            utt_id,
            style: Some("neutral".to_owned()),
            ..TtsSay::default()
        })
    }

    fn remember(&mut self, role: Role, content: &str, timestamp: f64) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        let content = beginning(content, LONGEST).to_owned();
        self.history.push_back(ConversationMessage { role, content, timestamp: Some(timestamp) });
    }

    fn close_windows(&mut self) {
        self.wake_window = None;
        self.response_window = None;
    }
}

fn time_of_day() -> String {
    jiff::ZonedDateTime::now().strftime("%H:%M").to_string()
}
