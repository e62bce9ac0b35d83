//! What the robot attends to. Knows of events, and of nothing else.

use std::time::{Duration, Instant};

use super::{Orders, Settings};
use crate::contracts::{
    MicAction, Timestamp, TtsAction, TtsControlCommand, TtsEvent, TtsStatus, WakeEvent, WakeKind,
    WakeMicCommand,
};
use crate::phrases::{Verdict, after, verdict};

/// For how long the microphone is off when nobody says for how long.
const FOR_GOOD: Duration = Duration::from_secs(86_400);

/// Whether something is expected to be said, and what may be interrupted.
#[derive(Debug)]
pub(super) struct Attention {
    settings: Settings,
    /// Until when something is expected to be said.
    deadline: Option<Instant>,
    /// What is spoken, if it may be interrupted.
    speech: Option<Speech>,
    /// Until when the microphone is off.
    muted_until: Option<Instant>,
}

/// Something that is spoken.
#[derive(Debug)]
struct Speech {
    utterance: Option<String>,
    is_interrupted: bool,
}

impl Attention {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, deadline: None, speech: None, muted_until: None }
    }

    pub(super) fn heard(&mut self, text: &str, now: Instant) -> Orders {
        if self.muted_until.is_some_and(|end| now < end) {
            return Orders::default();
        }
        self.deadline = None;
        let question = self.settings.phrases.iter().find_map(|phrase| after(text, phrase));
        let is_interrupted = self.speech.as_ref().is_some_and(|speech| speech.is_interrupted);
        match (question, &mut self.speech) {
            (None, _) if is_interrupted => self.decide(verdict(text)),
            (None, _) => Orders::default(),
            (Some(""), Some(speech)) => {
                speech.is_interrupted = true;
                let utterance = speech.utterance.clone();
                self.listen(now, Some(TtsAction::Pause), WakeKind::Interrupt, utterance)
            }
            (Some(""), None) => self.listen(now, None, WakeKind::Wake, None),
            (Some(question), Some(_)) => match verdict(question) {
                Some(Verdict::Resume) if !is_interrupted => Orders::default(),
                Some(verdict) => self.decide(Some(verdict)),
                None => (control(TtsAction::Stop), None, asked()),
            },
            (Some(_), None) => (None, None, asked()),
        }
    }

    /// Expects something to be said.
    fn listen(
        &mut self,
        now: Instant,
        action: Option<TtsAction>,
        kind: WakeKind,
        utterance: Option<String>,
    ) -> Orders {
        self.deadline = Some(now + self.settings.window);
        let microphone = WakeMicCommand { action: MicAction::Unmute, ..WakeMicCommand::default() };
        (action.and_then(control), Some(microphone), event(kind, utterance))
    }

    /// What becomes of what was interrupted. Without a verdict something else was asked.
    fn decide(&mut self, verdict: Option<Verdict>) -> Orders {
        let Some(speech) = &mut self.speech else { return Orders::default() };
        speech.is_interrupted = false;
        let utterance = speech.utterance.clone();
        match verdict {
            Some(Verdict::Resume) => {
                (control(TtsAction::Resume), None, event(WakeKind::Resume, utterance))
            }
            Some(Verdict::Cancel) => {
                (control(TtsAction::Stop), None, event(WakeKind::Cancelled, utterance))
            }
            None => (control(TtsAction::Stop), None, None),
        }
    }

    /// Until when something is expected to be said.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Nothing was said in time.
    pub(super) fn expire(&mut self, now: Instant) -> Orders {
        if self.deadline.take_if(|deadline| *deadline <= now).is_none() {
            return Orders::default();
        }
        match self.speech.as_mut().filter(|speech| speech.is_interrupted) {
            Some(speech) => {
                speech.is_interrupted = false;
                let utterance = speech.utterance.clone();
                (control(TtsAction::Resume), None, event(WakeKind::Timeout, utterance))
            }
            None => (None, None, event(WakeKind::Timeout, None)),
        }
    }

    pub(super) fn spoken(&mut self, status: TtsStatus) {
        match status.event {
            TtsEvent::SpeakingStart => {
                let may_be_interrupted =
                    status.wake_ack != Some(true) && status.system_announce != Some(true);
                let utterance = status.utt_id;
                self.speech =
                    may_be_interrupted.then_some(Speech { utterance, is_interrupted: false });
            }
            TtsEvent::SpeakingEnd | TtsEvent::Stopped => self.speech = None,
            TtsEvent::Paused | TtsEvent::Resumed => {}
        }
    }

    pub(super) fn microphone(&mut self, command: &WakeMicCommand, now: Instant) {
        let ttl = command.ttl_ms.map_or(FOR_GOOD, Duration::from_millis).min(FOR_GOOD);
        self.muted_until = (command.action == MicAction::Mute).then_some(now + ttl);
    }

    /// While nobody recognises speech, nothing will be said.
    pub(super) fn stt_health(&mut self, ok: bool, now: Instant) {
        if !ok && self.deadline.is_some() {
            self.deadline = Some(now);
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as it stands in the orders")]
fn control(action: TtsAction) -> Option<TtsControlCommand> {
    let reason = Some("wake".to_owned());
    Some(TtsControlCommand { action, reason, ..TtsControlCommand::default() })
}

#[expect(clippy::unnecessary_wraps, reason = "as it stands in the orders")]
fn event(kind: WakeKind, tts_id: Option<String>) -> Option<WakeEvent> {
    let cause = if kind == WakeKind::Timeout { "silence" } else { "speech" };
    Some(WakeEvent {
        kind,
        tts_id,
        // Words are compared, which leaves no doubt.
        confidence: Some(1.0),
        cause: Some(cause.to_owned()),
        ts: Some(Timestamp::default().0),
        ..WakeEvent::default()
    })
}

/// Something was asked in the breath in which the robot was called.
fn asked() -> Option<WakeEvent> {
    let cause = Some(WakeEvent::QUESTION.to_owned());
    event(WakeKind::Wake, None).map(|event| WakeEvent { cause, ..event })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vars::Vars;

    const WINDOW: Duration = Duration::from_secs(8);

    fn attention() -> Attention {
        Attention::new(Settings::from_vars(&Vars::new(|_| None)).unwrap())
    }

    fn brief((control, microphone, event): &Orders) -> String {
        let control = control.as_ref().map(|control| format!("{:?} ", control.action));
        let microphone = microphone.as_ref().map(|microphone| format!("{:?} ", microphone.action));
        let event = event.as_ref().map(|event| {
            format!("{:?} {}", event.kind, event.tts_id.as_deref().unwrap_or_default())
        });
        [control, microphone, event].into_iter().flatten().collect::<String>().trim().to_owned()
    }

    fn status(event: TtsEvent, wake_ack: bool) -> TtsStatus {
        let (utt_id, wake_ack) = (Some("u".to_owned()), Some(wake_ack));
        TtsStatus { event, utt_id, wake_ack, ..TtsStatus::default() }
    }

    /// What follows from one utterance after the other, each with what is spoken meanwhile.
    fn heard(attention: &mut Attention, texts: &[&str]) -> Vec<String> {
        let now = Instant::now();
        texts.iter().map(|text| brief(&attention.heard(text, now))).collect()
    }

    #[test]
    fn it_wakes_when_called_and_only_then() {
        let attention = &mut attention();
        let texts = ["what time is it", "Hey, TARS!", "what time is it", "hey tars say it"];
        assert_eq!(heard(attention, &texts), ["", "Unmute Wake", "", "Wake"]);
        let (_, _, event) = attention.heard("hey tars, say it", Instant::now());
        assert_eq!(event.unwrap().cause.as_deref(), Some(WakeEvent::QUESTION));
    }

    #[test]
    fn it_rests_when_called_while_it_speaks_and_does_as_it_is_told() {
        for (said, orders) in [
            ("go on", "Resume Resume u"),
            ("Never mind.", "Stop Cancelled u"),
            ("what time is it", "Stop"),
            ("hey tars, go on", "Resume Resume u"),
            ("hey tars, what time is it", "Stop Wake"),
        ] {
            let attention = &mut attention();
            attention.spoken(status(TtsEvent::SpeakingStart, false));
            let orders = ["Pause Unmute Interrupt u", orders];
            assert_eq!(heard(attention, &["hey tars", said]), orders, "{said}");
            assert_eq!(attention.deadline(), None);
        }
    }

    #[test]
    fn it_takes_orders_in_one_breath() {
        for (said, orders) in [
            ("hey tars, stop", "Stop Cancelled u"),
            ("hey tars, go on", ""),
            ("hey tars, what time is it", "Stop Wake"),
        ] {
            let attention = &mut attention();
            attention.spoken(status(TtsEvent::SpeakingStart, false));
            assert_eq!(heard(attention, &[said]), [orders], "{said}");
        }
    }

    #[test]
    fn an_acknowledgement_is_not_interrupted() {
        let attention = &mut attention();
        attention.spoken(status(TtsEvent::SpeakingStart, true));
        assert_eq!(heard(attention, &["hey tars"]), ["Unmute Wake"]);
    }

    #[test]
    fn what_has_been_spoken_cannot_be_interrupted() {
        for end in [TtsEvent::SpeakingEnd, TtsEvent::Stopped] {
            let attention = &mut attention();
            attention.spoken(status(TtsEvent::SpeakingStart, false));
            attention.spoken(status(end, false));
            assert_eq!(heard(attention, &["hey tars"]), ["Unmute Wake"]);
        }
    }

    #[test]
    fn it_tells_when_nothing_is_said_and_lets_speech_go_on() {
        for (is_speaking, orders) in [(false, "Timeout"), (true, "Resume Timeout u")] {
            let attention = &mut attention();
            if is_speaking {
                attention.spoken(status(TtsEvent::SpeakingStart, false));
            }
            let now = Instant::now();
            attention.heard("hey tars", now);
            assert_eq!(attention.deadline(), Some(now + WINDOW));
            assert_eq!(brief(&attention.expire(now + WINDOW / 2)), "");
            assert_eq!(brief(&attention.expire(now + WINDOW)), orders);
            assert_eq!(brief(&attention.expire(now + WINDOW * 2)), "");
        }
    }

    #[test]
    fn it_waits_for_nothing_when_nobody_recognises_speech() {
        let attention = &mut attention();
        let now = Instant::now();
        attention.stt_health(false, now);
        assert_eq!(attention.deadline(), None);
        attention.heard("hey tars", now);
        attention.stt_health(true, now);
        assert_eq!(attention.deadline(), Some(now + WINDOW));
        attention.stt_health(false, now);
        assert_eq!(brief(&attention.expire(now)), "Timeout");
    }

    #[test]
    fn it_is_not_called_while_the_microphone_is_off() {
        let attention = &mut attention();
        let now = Instant::now();
        let mute = WakeMicCommand { ttl_ms: Some(500), ..WakeMicCommand::default() };
        attention.microphone(&mute, now);
        assert_eq!(brief(&attention.heard("hey tars", now)), "");
        let later = now + Duration::from_millis(500);
        assert_eq!(brief(&attention.heard("hey tars", later)), "Unmute Wake");
        attention.microphone(&WakeMicCommand { ttl_ms: Some(u64::MAX), ..mute.clone() }, now);
        assert_eq!(brief(&attention.heard("hey tars", later)), "");
        attention.microphone(&WakeMicCommand { action: MicAction::Unmute, ..mute }, now);
        assert_eq!(brief(&attention.heard("hey tars", now)), "Unmute Wake");
    }
}
