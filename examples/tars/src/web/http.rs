//! The page, and what it asks for.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::Client;
use tokio::time::timeout;

use super::board::{Board, News};
use super::connections::{Limited, PATIENCE};
use super::guard::guard;
use super::panels::Recalled;
use super::settings::Settings;
use super::text::shortened;
use crate::contracts::{
    EmergencyStopCommand, FinalTranscript, Id, MemoryQuery, MemoryResults, Timestamp,
};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// No request needs more.
const LARGEST: usize = 16 << 10;

/// Characters that can be typed at once.
const LONGEST: usize = 1000;

/// How often the page is told something, so that it notices when there is no connection any more.
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);

/// How long the client may take to accept what was typed, where much waits to be sent.
const SAY_LIMIT: Duration = Duration::from_secs(5);

/// How long an emergency stop may take to reach the broker before it is called unconfirmed.
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// How long the memory may take to answer.
const MEMORY_LIMIT: Duration = Duration::from_secs(5);

/// What is served.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// What the page shows.
    pub(super) board: Board,
    /// The way to the robot.
    pub(super) client: Client,
    /// How it is set.
    pub(super) settings: Settings,
}

impl Site {
    /// Serves the page until the service stops.
    ///
    /// # Errors
    ///
    /// When the listener cannot be used.
    pub(super) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stopped = stopped(self.client.clone());
        let listener = Limited::new(listener, PATIENCE);
        axum::serve(listener, self.router()).with_graceful_shutdown(stopped).await
    }

    fn router(self) -> Router {
        Router::new()
            .route("/events", get(events))
            .route("/say", post(say))
            .route("/stop", post(stop))
            .route("/memory", get(memory))
            .layer(middleware::from_fn_with_state(self.clone(), guard))
            .layer(DefaultBodyLimit::max(LARGEST))
            .route("/", get(file(HTML, include_str!("page/index.html"))))
            .route("/style.css", get(file(CSS, include_str!("page/style.css"))))
            .route("/app.js", get(file(JAVASCRIPT, include_str!("page/app.js"))))
            .with_state(self)
    }
}

async fn stopped(client: Client) {
    // The sender goes only after it has said that it stopped.
    let _ = client.state().wait_for(|state| *state == ConnectionState::Stopped).await;
}

/// A part of the page. It may use nothing from elsewhere, and be shown inside no other page.
fn file(media_type: &'static str, content: &'static str) -> impl IntoResponse + Clone {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}

/// News, with the time that the clock here shows.
#[derive(Serialize)]
struct Dated {
    now: Timestamp,
    #[serde(flatten)]
    news: News,
}

/// What the page shows, from now on.
async fn events(State(site): State<Site>) -> impl IntoResponse {
    let news = site.board.watch().take_until(stopped(site.client));
    let events =
        news.map(|news| Event::default().json_data(Dated { now: Timestamp::default(), news }));
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(SIGN_OF_LIFE).event(Event::default().data("{}")))
}

#[derive(Deserialize)]
struct Say {
    text: String,
}

/// Says what was typed to the robot, as if it had been heard.
async fn say(
    State(site): State<Site>,
    Json(Say { text }): Json<Say>,
) -> Result<StatusCode, Refusal> {
    let text = site.settings.addressed(&typed("text", &text)?);
    if *site.client.state().borrow() != ConnectionState::Connected {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the broker is away"));
    }
    let utt_id = Some(Id::default().0);
    let said = FinalTranscript { text, utt_id, confidence: Some(1.0), ..Default::default() };
    match timeout(SAY_LIMIT, site.client.publish(&said)).await {
        Ok(accepted) => drop(accepted?),
        Err(_) => {
            let reason = "too much waits to be sent to the broker";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason));
        }
    }
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize)]
struct Stop {
    reason: Option<String>,
}

/// Ends all movement. Sent also while the broker is away, for a late stop is better than none; but
/// confirmed only once the broker has it.
async fn stop(
    State(site): State<Site>,
    Json(Stop { reason }): Json<Stop>,
) -> Result<StatusCode, Refusal> {
    let reason = reason.map(shortened);
    let stop = EmergencyStopCommand { reason, ..Default::default() };
    let delivered = async { site.client.publish(&stop).await?.delivered().await };
    match timeout(STOP_LIMIT, delivered).await {
        Ok(delivered) => drop(delivered?),
        Err(_) => {
            let reason = format!("the broker has not taken it within {STOP_LIMIT:?}");
            return Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, reason));
        }
    }
    Ok(StatusCode::ACCEPTED)
}

#[derive(Deserialize)]
struct Recall {
    q: String,
}

/// Asks the memory.
async fn memory(
    State(site): State<Site>,
    Query(Recall { q }): Query<Recall>,
) -> Result<Json<Recalled>, Refusal> {
    let query = MemoryQuery { text: typed("q", &q)?, ..Default::default() };
    let answer = site.client.request::<_, MemoryResults>(&query).timeout(MEMORY_LIMIT).await?;
    Ok(Json(answer.data.into()))
}

/// What was typed, if it is something and not too much.
fn typed(name: &str, text: &str) -> Result<String, Refusal> {
    let text = text.trim();
    let length = text.chars().count();
    if (1..=LONGEST).contains(&length) {
        return Ok(text.to_owned());
    }
    let reason = format!("`{name}` has {length} characters: write 1 to {LONGEST}");
    Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, reason))
}

/// Why something is not done.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: String,
}

impl Refusal {
    /// With a text for who asked.
    pub(super) fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<tars_mqtt::Error> for Refusal {
    fn from(error: tars_mqtt::Error) -> Self {
        let status = match error {
            tars_mqtt::Error::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, self.reason).into_response()
    }
}
