//! A page that shows the robot at work: the conversation, how every service is, what moves and what
//! is remembered; with a box to type into, and an emergency stop.
//!
//! | variable | default | |
//! | --- | --- | --- |
//! | `WEB_ADDRESS` | 127.0.0.1:8080 | where the page is served |
//! | `WEB_HOSTS` | – | names under which it may be asked for besides `localhost` and IP addresses |
//! | `WEB_WAKE_PHRASE` | hey tars | what is put before what is typed |
//! | `WEB_HEARTBEAT_SEC` | 5 | seconds between heartbeats; a service that misses three is shown as silent |
//!
//! What is typed is published as `stt/final`, as if it had been heard, and goes the same way: the
//! robot listens only after its wake phrase, or for a while after it has spoken. Who types wants an
//! answer, so the wake phrase is put before what is typed, unless it stands there.
//!
//! Whoever reaches the page may speak to the robot and stop it. By default that is this machine alone;
//! `WEB_ADDRESS=0.0.0.0:8080` opens it to the network. Other web pages are kept out in any case.

mod board;
mod connections;
mod conversation;
mod guard;
mod http;
mod panels;
mod reply;
mod services;
mod settings;
mod text;

use std::net::TcpListener;

use anyhow::Context as _;
use serde_json::Value;
use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;

pub use settings::Settings;

use crate::contracts::{
    FinalTranscript, HealthPing, LlmCancel, LlmResponse, LlmStreamDelta, MemoryResults,
    MovementFrame, MovementState, MovementStatusUpdate, PartialTranscript, TtsSay, TtsStatus,
};
use crate::vars::Vars;
use board::{Board, News};
use http::Site;

/// The page, with settings from the environment.
///
/// # Errors
///
/// When one of them cannot be read, or the address is taken.
pub fn service(app: App) -> anyhow::Result<App> {
    let settings = Settings::from_vars(&Vars::of_process())?;
    let address = settings.address;
    let listener = TcpListener::bind(address).with_context(|| {
        format!("the page cannot be served on {address}: set WEB_ADDRESS to another one")
    })?;
    Ok(with(app, settings, listener))
}

/// The page, with these settings and on this listener.
pub fn with(app: App, settings: Settings, listener: TcpListener) -> App {
    let board = Board::new(settings.heartbeat);
    app.handlers_in(module_path!()).state(board.clone()).on_ready(|client: Client| async move {
        tracing::info!("the page is on http://{}/", listener.local_addr()?);
        tokio::spawn(watch_broker(board.clone(), client.clone()));
        let site = Site { board, client, settings };
        tokio::spawn(async move {
            if let Err(error) = site.serve(listener).await {
                tracing::error!("the page is served no longer: {error}");
            }
        });
        anyhow::Ok(())
    })
}

async fn watch_broker(board: Board, client: Client) {
    let mut state = client.state();
    loop {
        let now = *state.borrow_and_update();
        let connected = now == ConnectionState::Connected;
        board.change(|view| {
            let before = std::mem::replace(&mut view.broker, connected);
            (before != connected).then_some(News::Broker(connected))
        });
        if now == ConnectionState::Stopped || state.changed().await.is_err() {
            return;
        }
    }
}

#[subscribe]
async fn partial(State(board): State<Board>, partial: PartialTranscript) {
    board.change(|view| view.conversation.partial(partial).map(News::Entry));
}

#[subscribe]
async fn heard(State(board): State<Board>, said: FinalTranscript) {
    board.change(|view| view.conversation.heard(said).map(News::Entry));
}

#[subscribe]
async fn delta(State(board): State<Board>, delta: LlmStreamDelta) {
    board.change(|view| view.conversation.delta(delta).map(News::Entry));
}

#[subscribe]
async fn response(State(board): State<Board>, response: LlmResponse) {
    board.change(|view| view.conversation.response(response).map(News::Entry));
}

#[subscribe]
async fn cancel(State(board): State<Board>, cancel: LlmCancel) {
    board.change(|view| view.conversation.cancel(&cancel.id).map(News::Entry));
}

#[subscribe]
async fn say(State(board): State<Board>, say: TtsSay) {
    board.change(|view| view.conversation.say(say).map(News::Entry));
}

#[subscribe]
async fn speak(State(board): State<Board>, status: TtsStatus) {
    board.change(|view| view.conversation.speak(status).map(News::Entry));
}

#[subscribe]
async fn memory(State(board): State<Board>, results: MemoryResults) {
    board.change(|view| Some(News::Memory(view.memory.insert(results.into()).clone())));
}

#[subscribe]
async fn frame(State(board): State<Board>, frame: MovementFrame) {
    board.change(|view| Some(News::Movement(view.movement.frame(frame))));
}

#[subscribe]
async fn movement(State(board): State<Board>, state: MovementState) {
    board.change(|view| Some(News::Movement(view.movement.state(state))));
}

#[subscribe]
async fn body(State(board): State<Board>, status: MovementStatusUpdate) {
    board.change(|view| Some(News::Movement(view.movement.status(status))));
}

#[subscribe("system/health/{service}")]
async fn health(State(board): State<Board>, context: Context, service: String, health: HealthPing) {
    let kept = context.retain();
    board.change(|view| view.services.health(&service, health, kept).map(News::Service));
}

#[subscribe("system/keepalive/{service}")]
async fn heartbeat(State(board): State<Board>, service: String, Json(_): Json<Value>) {
    board.change(|view| view.services.heartbeat(&service).map(News::Service));
}
