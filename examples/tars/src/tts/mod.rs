//! Speaks what is to be said, one after the other.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `TTS_WORDS_PER_MINUTE` | 170 | how fast |
//! | `TTS_WAV_DIR` | – | a folder into which espeak-ng writes what is spoken, where it is installed |
//!
//! Nothing is played: to speak is to take the time that it takes, and to say so in each status.
//!
//! What is to be said is acknowledged when it has been spoken, so that a service that is killed speaks
//! it after its next start. Brokers hold back what comes after some unacknowledged messages
//! (mosquitto: 20), so that a command has to wait behind a longer queue than that.

mod settings;
mod sound;
mod utterance;
mod voice;

use futures_util::Stream;
pub use settings::Settings;
use tars_mqtt::prelude::*;
use voice::Voice;

use crate::contracts::{TtsControlCommand, TtsSay, TtsStatus};
use crate::vars::Vars;

/// The voice, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn service(app: App) -> anyhow::Result<App> {
    with(app, &Settings::from_vars(&Vars::of_process())?)
}

/// The voice, with these settings.
///
/// # Errors
///
/// When the folder for sound files cannot be made.
pub fn with(app: App, settings: &Settings) -> anyhow::Result<App> {
    Ok(app.handlers_in(module_path!()).state(Voice::new(settings)?))
}

#[subscribe(timeout = "off")]
async fn say(
    State(voice): State<Voice>,
    context: Context,
    say: TtsSay,
) -> Replies<impl Stream<Item = TtsStatus> + Send> {
    Replies(voice.speak(say, context.ts()))
}

#[subscribe(accept_bare)]
async fn control(State(voice): State<Voice>, context: Context, command: TtsControlCommand) {
    voice.control(command.action, command.reason, context.ts());
}
