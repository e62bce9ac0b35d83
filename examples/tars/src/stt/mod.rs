//! Turns what is typed or piped into utterances.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `STT_LANG` | en | the language of what is said |
//! | `STT_WAKE_PHRASES` | hey tars | what may be said while the robot speaks; `|` between several |
//! | `STT_PATIENCE_SEC` | 3 | how long to wait for a reaction before the next line is said |
//!
//! Each line of standard input is an utterance. It is heard word by word, which makes partial
//! transcripts, and then as a whole. A speaker lets others finish: lines wait while the microphone is
//! off or the robot speaks, and are not lost. Only who is at a terminal may call it while it speaks.
//!
//! There is no microphone and no sound here, so there is no recognition either, and no spectrum on
//! `stt/audio_fft`: any such numbers would be made up.

mod ears;
mod settings;
mod utterance;

use std::io::ErrorKind;
use std::pin::pin;

use ears::{Ears, Hearing};
use futures_util::{Stream, StreamExt as _, stream};
pub use settings::Settings;
use tars_mqtt::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::sync::mpsc::UnboundedReceiver;
use utterance::Utterance;

use crate::contracts::{TtsSay, TtsStatus, WakeEvent, WakeMicCommand};
use crate::vars::Vars;

/// The recogniser for what stands on standard input, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn service(app: App) -> anyhow::Result<App> {
    Ok(with(app, Settings::from_vars(&Vars::of_process())?, standard_input()))
}

/// The recogniser for these lines, with these settings.
pub fn with(
    app: App,
    settings: Settings,
    lines: impl Stream<Item = String> + Send + 'static,
) -> App {
    let ears = Ears::new(settings);
    app.handlers_in(module_path!()).state(ears.clone()).on_ready(|client: Client| async move {
        tokio::spawn(transcribe(client, ears, lines));
        Ok::<_, tars_mqtt::Error>(())
    })
}

/// Says one line after the other.
async fn transcribe(client: Client, ears: Ears, lines: impl Stream<Item = String>) {
    let mut lines = pin!(lines);
    while let Some(line) = lines.next().await {
        let Some(utterance) = Utterance::of(&line, ears.lang()) else { continue };
        ears.silence(&line).await;
        let reaction = ears.reaction();
        for partial in utterance.partials() {
            // Nobody needs one that was not heard.
            let _ = client.event(&partial).correlate(utterance.id()).send().await;
        }
        match client.event(&utterance.whole()).correlate(utterance.id()).send().await {
            Err(tars_mqtt::Error::Stopped) => return,
            Err(error) => tracing::warn!("an utterance is lost: {error}"),
            Ok(_) => reaction.await,
        }
    }
    tracing::info!("nothing more is going to be said: the end of the input");
}

/// What comes through a channel, line by line.
pub fn lines_of(lines: UnboundedReceiver<String>) -> impl Stream<Item = String> + Send {
    stream::unfold(lines, async |mut lines| Some((lines.recv().await?, lines)))
}

/// What stands on standard input, line by line.
pub fn standard_input() -> impl Stream<Item = String> + Send {
    stream::unfold(BufReader::new(stdin()).lines(), async |mut input| {
        loop {
            match input.next_line().await {
                Ok(line) => return Some((line?, input)),
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    tracing::warn!("a line is passed over, which must be text in UTF-8");
                }
                Err(error) => {
                    tracing::error!("standard input cannot be read: {error}");
                    return None;
                }
            }
        }
    })
}

#[subscribe]
async fn answered(State(ears): State<Ears>, _say: TtsSay) {
    ears.hear(Hearing::answered);
}

#[subscribe]
async fn spoken(State(ears): State<Ears>, status: TtsStatus) {
    ears.hear(|hearing| hearing.spoken(status.event));
}

#[subscribe]
async fn called(State(ears): State<Ears>, _event: WakeEvent) {
    ears.hear(Hearing::noticed);
}

#[subscribe]
async fn microphone(State(ears): State<Ears>, command: WakeMicCommand) {
    ears.hear(|hearing| hearing.microphone(&command));
}
