use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::settings::Settings;
use crate::contracts::{MicAction, TtsEvent, WakeMicCommand};
use crate::phrases::after;

/// How long something can be spoken. A voice that says nothing for longer is thought dead.
const LONGEST_SPEECH: Duration = Duration::from_secs(60);
/// For how long the microphone is off when nobody says for how long.
const FOR_GOOD: Duration = Duration::from_secs(86_400);

/// What goes on around the speaker, which all handlers share.
#[derive(Clone, Debug)]
pub(super) struct Ears {
    settings: Arc<Settings>,
    hearing: Arc<watch::Sender<Hearing>>,
}

/// What goes on around the speaker.
#[derive(Clone, Debug, Default)]
pub(super) struct Hearing {
    /// How much there is still to be spoken by the robot: less than nothing, if something was spoken
    /// that is not yet known to be said.
    unspoken: isize,
    /// Until when the robot speaks at most.
    spoken_until: Option<Instant>,
    is_paused: bool,
    muted_until: Option<Instant>,
    /// How often the robot has reacted.
    reactions: u64,
}

impl Ears {
    pub(super) fn new(settings: Settings) -> Self {
        let hearing = Arc::new(watch::Sender::new(Hearing::default()));
        Self { settings: Arc::new(settings), hearing }
    }

    pub(super) fn lang(&self) -> &str {
        &self.settings.lang
    }

    pub(super) fn hear(&self, change: impl FnOnce(&mut Hearing)) {
        self.hearing.send_modify(change);
    }

    /// Waits until this can be said.
    pub(super) async fn silence(&self, line: &str) {
        let mut phrases = self.settings.wake_phrases.iter();
        let may_interrupt =
            self.settings.may_interrupt && phrases.any(|phrase| after(line, phrase).is_some());
        let mut hearing = self.hearing.subscribe();
        loop {
            let end = hearing.borrow_and_update().noise_until(may_interrupt);
            let Some(end) = end.filter(|end| *end > Instant::now()) else { return };
            tokio::select! {
                () = sleep_until(end) => {}
                changed = hearing.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Waits until the robot reacts to what is said from now on, or does not.
    pub(super) fn reaction(&self) -> impl Future<Output = ()> + use<> {
        let mut hearing = self.hearing.subscribe();
        let before = hearing.borrow().reactions;
        let patience = self.settings.patience;
        async move {
            let reaction = hearing.wait_for(|now| now.reactions != before);
            // That there is none is no fault: the robot listens only when it was called.
            let _ = timeout(patience, reaction).await;
        }
    }
}

impl Hearing {
    /// The robot reacts.
    pub(super) fn noticed(&mut self) {
        self.reactions += 1;
    }

    /// Something is going to be spoken by the robot.
    pub(super) fn answered(&mut self) {
        self.noticed();
        self.unspoken += 1;
        // It may have been spoken before it was known to be said.
        if self.unspoken > 0 {
            self.spoken_until = Some(Instant::now() + LONGEST_SPEECH);
        }
    }

    pub(super) fn spoken(&mut self, event: TtsEvent) {
        self.is_paused = event == TtsEvent::Paused;
        if matches!(event, TtsEvent::SpeakingEnd | TtsEvent::Stopped) {
            self.unspoken -= 1;
        }
        let is_speaking =
            self.unspoken > 0 || matches!(event, TtsEvent::SpeakingStart | TtsEvent::Resumed);
        self.spoken_until = is_speaking.then(|| Instant::now() + LONGEST_SPEECH);
    }

    pub(super) fn microphone(&mut self, command: &WakeMicCommand) {
        let ttl = command.ttl_ms.map_or(FOR_GOOD, Duration::from_millis).min(FOR_GOOD);
        self.muted_until = (command.action == MicAction::Mute).then(|| Instant::now() + ttl);
    }

    fn noise_until(&self, may_interrupt: bool) -> Option<Instant> {
        let speech = self.spoken_until.filter(|_| !self.is_paused && !may_interrupt);
        speech.max(self.muted_until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spoken_before_it_was_known_to_be_said_is_not_waited_for() {
        let mut hearing = Hearing::default();
        hearing.spoken(TtsEvent::SpeakingStart);
        assert!(hearing.noise_until(false).is_some());
        hearing.spoken(TtsEvent::SpeakingEnd);
        hearing.answered();
        assert_eq!(hearing.noise_until(false), None);
        hearing.answered();
        assert!(hearing.noise_until(false).is_some());
        hearing.spoken(TtsEvent::SpeakingEnd);
        assert_eq!(hearing.noise_until(false), None);
    }
}
