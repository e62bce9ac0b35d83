use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::settings::Settings;
use super::sound::Sound;
use super::utterance::Utterance;
use crate::contracts::{TtsAction, TtsSay, TtsStatus};
use crate::phrases::words;
use crate::shown::{LogLimit, quoted};

static UNWRITTEN: LogLimit = LogLimit::new();

/// What the voice has been told, which all that it speaks obeys.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    orders: Arc<watch::Sender<Orders>>,
    sound: Arc<Option<Sound>>,
    words_per_minute: f64,
}

/// What the voice has been told to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    pub(super) is_paused: bool,
    pub(super) is_muted: bool,
    /// How often it was stopped.
    pub(super) stops: u64,
    /// What was to be said before then is not said any more.
    pub(super) stopped_at: f64,
    /// What was cut off. No more of the same is said.
    pub(super) cut_off: Option<String>,
    /// Why the last order was given.
    pub(super) reason: Option<String>,
}

impl Voice {
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let words_per_minute = settings.words_per_minute;
        let sound = match &settings.wav_dir {
            Some(folder) => Sound::into_folder(folder, words_per_minute)?,
            None => None,
        };
        let orders = Arc::new(watch::Sender::new(Orders::default()));
        Ok(Self { orders, sound: Arc::new(sound), words_per_minute })
    }

    /// Takes an order that was given at a time in seconds since 1970.
    pub(super) fn control(&self, action: TtsAction, reason: Option<String>, given_at: f64) {
        self.orders.send_modify(|orders| {
            orders.reason = reason.map(|reason| quoted(&reason));
            match action {
                TtsAction::Pause => orders.is_paused = true,
                TtsAction::Resume => orders.is_paused = false,
                TtsAction::Mute => orders.is_muted = true,
                TtsAction::Unmute => orders.is_muted = false,
                TtsAction::Stop => {
                    orders.is_paused = false;
                    orders.stops += 1;
                    orders.stopped_at = given_at;
                }
            }
        });
    }

    /// Speaks something that was to be said at a time in seconds since 1970, and tells how it goes.
    pub(super) fn speak(
        &self,
        say: TtsSay,
        said_at: f64,
    ) -> impl Stream<Item = TtsStatus> + Send + use<> {
        let utterance = Utterance::new(self.clone(), say, said_at);
        stream::unfold(utterance, async |mut utterance| {
            let status = utterance.next().await?;
            Some((status, utterance))
        })
    }

    pub(super) fn orders(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    /// Remembers what was cut off.
    pub(super) fn cut_off(&self, utterance: Option<String>) {
        if utterance.is_some() {
            self.orders.send_modify(|orders| orders.cut_off = utterance);
        }
    }

    /// How long it takes to say this.
    pub(super) fn duration(&self, text: &str) -> Duration {
        let count = u32::try_from(words(text).count()).unwrap_or(u32::MAX);
        Duration::from_secs_f64(f64::from(count) * 60.0 / self.words_per_minute)
    }

    /// Writes it down as sound, where that is wanted and possible.
    pub(super) async fn record(&self, say: &TtsSay, said_at: f64) {
        let Some(sound) = self.sound.as_ref() else { return };
        match sound.write(say, said_at).await {
            Ok(path) => tracing::debug!(path = %path.display(), "spoken"),
            Err(error) if UNWRITTEN.allows() => {
                tracing::warn!("what is spoken cannot be written as sound: {error:#}");
            }
            Err(_) => {}
        }
    }
}
