//! What the macros write calls to. Not for use by hand.

use std::fmt::Display;
use std::str::FromStr;

pub use inventory;

pub use crate::app::{MainOptions, MainResult, main, main_with_app};
pub use crate::delivery::Overflow;
pub use crate::event::TopicField;
use crate::extract::{Context, EventInfo, FromMessage, Rejection, Requirements};
pub use crate::handler::{AckMode, Failure, Handler, HandlerSpec, Options, Registration};
use crate::reply::IntoReplies;
pub use tars_mqtt_topic::patterns_overlap;

/// Takes an argument from a message.
pub fn argument<T: FromMessage>(context: &Context) -> Result<T, Failure> {
    Ok(T::from_message(context)?)
}

/// Takes the argument `name` from one level of the topic.
pub fn level<T>(context: &Context, index: usize, name: &str) -> Result<T, Failure>
where
    T: FromStr,
    T::Err: Display,
{
    parameter(context.topic().split('/').nth(index).unwrap_or_default(), name)
}

/// Takes the argument `name` from the rest of the topic, from one level on.
pub fn rest<T>(context: &Context, index: usize, name: &str) -> Result<T, Failure>
where
    T: FromStr,
    T::Err: Display,
{
    parameter(context.topic().splitn(index + 1, '/').nth(index).unwrap_or_default(), name)
}

fn parameter<T>(text: &str, name: &str) -> Result<T, Failure>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error| {
        Failure::Rejected(Rejection::new(format!(
            "`{text}` in the topic cannot be the argument `{name}`: {error}"
        )))
    })
}

/// Publishes what a handler returned.
pub async fn reply<T: IntoReplies>(returned: T, context: &Context) -> Result<(), Failure> {
    returned.into_replies(context).await.map_err(Failure::Failed)
}

/// Collects what an argument needs.
pub fn requirements<T: FromMessage>(requirements: &mut Requirements<'_>) {
    T::requirements(requirements);
}

/// Whether an argument takes the payload.
#[must_use]
pub const fn takes_payload<T: FromMessage>() -> bool {
    T::TAKES_PAYLOAD
}

/// The event an argument reads.
#[must_use]
pub const fn event<T: FromMessage>() -> Option<EventInfo> {
    T::EVENT
}

/// The first event among the arguments.
#[must_use]
pub const fn first_event(events: &[Option<EventInfo>]) -> Option<EventInfo> {
    let mut index = 0;
    while index < events.len() {
        if events[index].is_some() {
            return events[index];
        }
        index += 1;
    }
    None
}

/// The length of some texts together.
#[must_use]
pub const fn len(texts: &[&str]) -> usize {
    let mut len = 0;
    let mut index = 0;
    while index < texts.len() {
        len += texts[index].len();
        index += 1;
    }
    len
}

/// Joins texts in a constant expression, where `format!` does not work. `N` is their [`len`].
#[must_use]
pub const fn join<const N: usize>(texts: &[&str]) -> [u8; N] {
    let mut joined = [0; N];
    let (mut text, mut at) = (0, 0);
    while text < texts.len() {
        let bytes = texts[text].as_bytes();
        let mut index = 0;
        while index < bytes.len() {
            joined[at] = bytes[index];
            at += 1;
            index += 1;
        }
        text += 1;
    }
    joined
}

/// The text that [`join`] made.
#[must_use]
pub const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}
