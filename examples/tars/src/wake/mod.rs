//! Wakes up when called.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `WAKE_PHRASES` | hey tars | what wakes it; `|` between several |
//! | `WAKE_WINDOW_SEC` | 8 | how long something may be said then |
//!
//! The phrase is looked for in what the speech recogniser has heard: a detector that listens to sound
//! is beyond these examples.
//!
//! The router hears the same transcripts at the same time, so that a wake event may reach it before or
//! after what it belongs to. That does no harm: the event carries the correlation id of the transcript
//! in which the phrase was heard, and with it the router finds the question that was asked in the same
//! breath ("hey tars, what time is it?"), whichever of the two comes first.
//!
//! Who calls while the robot speaks interrupts it: it rests, and goes on at "go on" or when nothing is
//! said; it gives up at "never mind", or when it is asked something else.

mod attention;
mod watch;

use std::time::{Duration, Instant};

use attention::Attention;
use tars_mqtt::prelude::*;
use watch::Watch;

use crate::contracts::{
    FinalTranscript, HealthPing, TtsAction, TtsControlCommand, TtsStatus, WakeEvent, WakeMicCommand,
};
use crate::vars::Vars;

/// What can be set about waking up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `WAKE_PHRASES`: what wakes it.
    pub phrases: Vec<String>,
    /// `WAKE_WINDOW_SEC`: how long something may be said then.
    pub window: Duration,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn from_vars(vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        Ok(Self {
            phrases: vars.texts("WAKE_PHRASES", "hey tars"),
            window: vars.seconds("WAKE_WINDOW_SEC", 8.0)?,
        })
    }
}

/// What follows from what happens. Orders go before the event, which makes others act.
type Orders = (Option<TtsControlCommand>, Option<WakeMicCommand>, Option<WakeEvent>);

/// The wake service, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn service(app: App) -> anyhow::Result<App> {
    Ok(with(app, Settings::from_vars(&Vars::of_process())?))
}

/// The wake service, with these settings.
pub fn with(app: App, settings: Settings) -> App {
    let watch = Watch::new(Attention::new(settings));
    app.handlers_in(module_path!()).state(watch.clone()).on_ready(|client: Client| async move {
        // In case that it was killed while the voice rested at its order.
        client
            .publish(&TtsControlCommand { action: TtsAction::Resume, ..Default::default() })
            .await?;
        tokio::spawn(watch.tell_of_silence(client));
        Ok::<_, tars_mqtt::Error>(())
    })
}

#[subscribe]
async fn heard(State(watch): State<Watch>, heard: FinalTranscript) -> Orders {
    watch.with(|attention| attention.heard(&heard.text, Instant::now()))
}

#[subscribe]
async fn spoken(State(watch): State<Watch>, status: TtsStatus) {
    watch.with(|attention| attention.spoken(status));
}

#[subscribe]
async fn microphone(State(watch): State<Watch>, command: WakeMicCommand) {
    watch.with(|attention| attention.microphone(&command, Instant::now()));
}

#[subscribe("system/health/tars-stt")]
async fn stt_health(State(watch): State<Watch>, ping: HealthPing) {
    watch.with(|attention| attention.stt_health(ping.ok, Instant::now()));
}
