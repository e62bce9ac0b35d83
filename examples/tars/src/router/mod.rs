//! Decides what becomes of what is said.
//!
//! The [`Settings`] are read from the environment. What the router decides is in `brain`, and what
//! comes and goes is here: each handler hands an event to the brain and returns its decisions.

mod answers;
mod brain;
mod clock;
mod movements;
mod rules;
mod sentences;
mod settings;
mod turn;

pub use clock::Clock;
pub use settings::{Cut, Settings};
use tars_mqtt::prelude::*;
use turn::{Router, Turn};

use crate::contracts::{
    FinalTranscript, HealthPing, LlmCancel, LlmResponse, LlmStreamDelta, MovementStatusUpdate,
    TtsStatus, WakeEvent,
};
use crate::vars::Vars;

/// The router, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read.
pub fn service(app: App) -> anyhow::Result<App> {
    Ok(with(app, Settings::from_vars(&Vars::of_process())?, Clock::default()))
}

/// The router, with these settings and this clock.
pub fn with(app: App, settings: Settings, clock: Clock) -> App {
    app.handlers_in(module_path!())
        .state(Router::new(settings, clock))
        // The name under which others know the router's health.
        .on_ready(|client: Client| async move {
            let event = Some("ready".to_owned());
            let health = HealthPing { service: "router".into(), event, ..HealthPing::default() };
            client.publish(&health).await
        })
}

#[subscribe("system/health/tars-tts")]
async fn tts_health(State(router): State<Router>, ping: HealthPing) -> Turn {
    router.turn(|brain, _| brain.tts_health(ping.ok)).await
}

#[subscribe("system/health/tars-stt")]
async fn stt_health(State(router): State<Router>, ping: HealthPing) -> Turn {
    router.turn(|brain, _| brain.stt_health(ping.ok)).await
}

#[subscribe]
async fn wake(State(router): State<Router>, context: Context, event: WakeEvent) -> Turn {
    router.turn(|brain, now| brain.wake(context.id(), event, now)).await
}

#[subscribe]
async fn heard(State(router): State<Router>, context: Context, heard: FinalTranscript) -> Turn {
    router.turn(|brain, now| brain.heard(context.id(), heard, now)).await
}

#[subscribe]
async fn spoken(State(router): State<Router>, status: TtsStatus) {
    router.note(|brain, now| brain.spoken(&status, now)).await;
}

#[subscribe]
async fn streamed(State(router): State<Router>, delta: LlmStreamDelta) -> Turn {
    router.turn(|brain, _| brain.streamed(&delta)).await
}

#[subscribe]
async fn answered(State(router): State<Router>, response: LlmResponse) -> Turn {
    router.turn(|brain, _| brain.answered(&response)).await
}

#[subscribe]
async fn cancelled(State(router): State<Router>, cancel: LlmCancel) {
    router.note(|brain, _| brain.cancelled(&cancel.id)).await;
}

#[subscribe]
async fn moved(status: MovementStatusUpdate) {
    let MovementStatusUpdate { event, command, detail, .. } = status;
    tracing::debug!(?event, command, detail, "movement");
}
