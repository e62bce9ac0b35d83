use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::voice::{Orders, Voice};
use crate::contracts::{TtsEvent, TtsSay, TtsStatus};
use crate::shown::quoted;

/// Something that is spoken, from its beginning to its end.
pub(super) struct Utterance {
    voice: Voice,
    orders: watch::Receiver<Orders>,
    say: TtsSay,
    said_at: f64,
    state: State,
}

/// How many characters can be spoken at once: some five minutes. More of it is refused.
const LONGEST: usize = 4000;

/// How many seconds something may wait to be said. What claims to be older comes from a clock that is
/// wrong.
const LONGEST_WAIT: f64 = 600.0;

enum State {
    Waiting,
    /// It is too long, with so many characters.
    Refused(usize),
    /// How much there is still to speak, and how often the voice had been stopped at the beginning.
    Speaking(Duration, u64),
    Paused(Duration, u64),
    Over,
}

impl Utterance {
    pub(super) fn new(voice: Voice, mut say: TtsSay, said_at: f64) -> Self {
        let length = say.text.chars().count();
        let state = if length > LONGEST { State::Refused(length) } else { State::Waiting };
        if length > LONGEST {
            say.text = quoted(&say.text);
        }
        Self { orders: voice.orders(), voice, say, said_at, state }
    }

    /// What happens next to it; nothing when it is over.
    pub(super) async fn next(&mut self) -> Option<TtsStatus> {
        let mut refusal = None;
        let event = match self.state {
            State::Refused(length) => {
                refusal = Some(format!(
                    "the text has {length} characters, and may have {LONGEST}: say it in parts"
                ));
                TtsEvent::Stopped
            }
            State::Waiting => self.begin().await,
            State::Speaking(left, stops) => self.go_on(left, stops).await,
            State::Paused(left, stops) => self.rest(left, stops).await,
            State::Over => return None,
        };
        if matches!(event, TtsEvent::SpeakingEnd | TtsEvent::Stopped) {
            self.state = State::Over;
        }
        let is_ordered = !matches!(event, TtsEvent::SpeakingStart | TtsEvent::SpeakingEnd);
        let reason = self.orders.borrow().reason.clone().filter(|_| is_ordered);
        Some(TtsStatus {
            event,
            text: self.say.text.clone(),
            utt_id: self.say.utt_id.clone(),
            reason: refusal.or(reason),
            wake_ack: self.say.wake_ack,
            system_announce: self.say.system_announce,
            ..TtsStatus::default()
        })
    }

    async fn begin(&mut self) -> TtsEvent {
        let (said_at, utt_id) = (self.said_at, self.say.utt_id.clone());
        let is_stopped = |orders: &Orders| {
            let waited = orders.stopped_at - said_at;
            (waited > 0.0 && waited < LONGEST_WAIT)
                || (utt_id.is_some() && orders.cut_off == utt_id)
        };
        let orders = wait(&mut self.orders, |orders| is_stopped(orders) || !orders.is_paused).await;
        if is_stopped(&orders) {
            return TtsEvent::Stopped;
        }
        if !orders.is_muted {
            self.voice.record(&self.say, said_at).await;
        }
        self.state = State::Speaking(self.voice.duration(&self.say.text), orders.stops);
        TtsEvent::SpeakingStart
    }

    async fn go_on(&mut self, left: Duration, stops: u64) -> TtsEvent {
        let begun = Instant::now();
        tokio::select! {
            () = sleep(left) => TtsEvent::SpeakingEnd,
            orders = wait(&mut self.orders, |now| now.is_paused || now.stops != stops) => {
                if orders.stops != stops {
                    return self.cut_off();
                }
                self.state = State::Paused(left.saturating_sub(begun.elapsed()), stops);
                TtsEvent::Paused
            }
        }
    }

    async fn rest(&mut self, left: Duration, stops: u64) -> TtsEvent {
        let orders = wait(&mut self.orders, |now| !now.is_paused || now.stops != stops).await;
        if orders.stops != stops {
            return self.cut_off();
        }
        self.state = State::Speaking(left, stops);
        TtsEvent::Resumed
    }

    fn cut_off(&self) -> TtsEvent {
        self.voice.cut_off(self.say.utt_id.clone());
        TtsEvent::Stopped
    }
}

/// Waits until the orders are so.
async fn wait(orders: &mut watch::Receiver<Orders>, are_so: impl FnMut(&Orders) -> bool) -> Orders {
    match orders.wait_for(are_so).await {
        Ok(orders) => orders.clone(),
        // The voice is part of every utterance, and gives the orders.
        Err(_) => Orders::default(),
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::{FutureExt as _, Stream, StreamExt as _};

    use super::*;
    use crate::contracts::TtsAction;
    use crate::tts::Settings;

    fn voice(wav_dir: Option<std::path::PathBuf>) -> Voice {
        Voice::new(&Settings { words_per_minute: 60.0, wav_dir }).unwrap()
    }

    fn speak(voice: &Voice) -> impl Stream<Item = TtsEvent> + use<> {
        let say = TtsSay { text: "just three words".into(), ..TtsSay::default() };
        voice.speak(say, 10.0).map(|status| status.event)
    }

    #[tokio::test(start_paused = true)]
    async fn speaking_takes_the_time_that_the_words_take() {
        let begun = Instant::now();
        let events: Vec<_> = speak(&voice(None)).collect().await;
        assert_eq!(events, [TtsEvent::SpeakingStart, TtsEvent::SpeakingEnd]);
        assert_eq!(begun.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_spoken_before_a_pause_is_not_spoken_again() {
        let voice = voice(None);
        let mut events = pin!(speak(&voice));
        assert_eq!(events.next().await, Some(TtsEvent::SpeakingStart));
        let begun = Instant::now();
        let order = async {
            sleep(Duration::from_secs(1)).await;
            voice.control(TtsAction::Pause, None, 11.0);
        };
        let (event, ()) = tokio::join!(events.next(), order);
        assert_eq!(event, Some(TtsEvent::Paused));
        sleep(Duration::from_secs(60)).await;
        voice.control(TtsAction::Resume, None, 71.0);
        assert_eq!(events.next().await, Some(TtsEvent::Resumed));
        assert_eq!(events.next().await, Some(TtsEvent::SpeakingEnd));
        assert_eq!(begun.elapsed().as_secs(), 63);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_long_is_refused_at_once_and_the_rest_goes_on() {
        let voice = voice(None);
        let begun = Instant::now();
        let text = "word ".repeat(400_000);
        let say = TtsSay { text, utt_id: Some("u".into()), ..TtsSay::default() };
        let statuses: Vec<_> = voice.speak(say, 10.0).collect().await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let [status] = &statuses[..] else { panic!("{statuses:?}") };
        assert_eq!((status.event, status.utt_id.as_deref()), (TtsEvent::Stopped, Some("u")));
        let reason = "the text has 2000000 characters, and may have 4000: say it in parts";
        assert_eq!(status.reason.as_deref(), Some(reason));
        assert!(status.text.len() < 1000);
        let events: Vec<_> = speak(&voice).collect().await;
        assert_eq!(events, [TtsEvent::SpeakingStart, TtsEvent::SpeakingEnd]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_begun_while_the_voice_rests() {
        let voice = voice(None);
        voice.control(TtsAction::Pause, None, 1.0);
        let mut events = pin!(speak(&voice));
        assert_eq!(events.next().now_or_never(), None);
        voice.control(TtsAction::Resume, None, 2.0);
        assert_eq!(events.next().await, Some(TtsEvent::SpeakingStart));
    }

    #[tokio::test]
    async fn nothing_is_written_as_sound_while_the_voice_is_muted() {
        let folder = tempfile::TempDir::new().unwrap();
        let voice = voice(Some(folder.path().to_owned()));
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        voice.control(TtsAction::Mute, None, 1.0);
        assert_eq!(pin!(speak(&voice)).next().await, Some(TtsEvent::SpeakingStart));
        assert_eq!(files(), 0);
        voice.control(TtsAction::Unmute, None, 2.0);
        assert_eq!(pin!(speak(&voice)).next().await, Some(TtsEvent::SpeakingStart));
        let is_installed =
            std::process::Command::new("espeak-ng").arg("--version").output().is_ok();
        assert_eq!(files(), usize::from(is_installed));
    }
}
