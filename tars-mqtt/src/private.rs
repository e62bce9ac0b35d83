//! What the macros write calls to. Not for use by hand.

use std::fmt::Display;
use std::str::FromStr;

pub use inventory;

pub use crate::app::{MainOptions, MainResult, main, main_with_app};
pub use crate::config::DedupeKey;
pub use crate::delivery::Overflow;
use crate::event::EventInfo;
pub use crate::event::TopicField;
use crate::extract::{Context, Rejection};
pub use crate::handler::{
    Argument, Failure, Handler, Registration, check_dead_letter, check_filter, check_payload,
    check_topic,
};
use crate::reply::IntoReplies;
pub use crate::spec::{AckMode, HandlerSpec, Options, OtherTypes};

/// An argument that is a part of the topic.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a topic",
    label = "cannot be made from text",
    note = "implement std::str::FromStr for it, with an error that implements Display"
)]
pub trait FromTopic: Sized {
    /// Reads it.
    fn from_topic(text: &str) -> Result<Self, String>;
}

#[diagnostic::do_not_recommend]
impl<T> FromTopic for T
where
    T: FromStr,
    T::Err: Display,
{
    fn from_topic(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: T::Err| error.to_string())
    }
}

/// Takes the argument `name` from one level of the topic.
pub fn level<T: FromTopic>(context: &Context, index: usize, name: &str) -> Result<T, Failure> {
    parameter(context.topic().split('/').nth(index).unwrap_or_default(), name)
}

/// Takes the argument `name` from the rest of the topic, from one level on.
pub fn rest<T: FromTopic>(context: &Context, index: usize, name: &str) -> Result<T, Failure> {
    parameter(context.topic().splitn(index + 1, '/').nth(index).unwrap_or_default(), name)
}

fn parameter<T: FromTopic>(text: &str, name: &str) -> Result<T, Failure> {
    T::from_topic(text).map_err(|error| {
        Failure::Rejected(Rejection::new(format!(
            "`{text}` in the topic cannot be the argument `{name}`: {error}"
        )))
    })
}

/// What a handler's function returns, as long as any thread can run it.
pub fn sendable<F: Future + Send>(future: F) -> F {
    future
}

/// Publishes what a handler returned.
pub fn reply<T: IntoReplies>(
    returned: T,
    context: &Context,
) -> impl Future<Output = Result<(), Failure>> + Send {
    // Not held while waiting, so that an event need not cross threads.
    let replies = returned.into_replies(context);
    async move { replies.await.map_err(Failure::Failed) }
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

/// The topic of the first event among the arguments, which stands for a filter that is not written.
#[must_use]
pub const fn first_topic(events: &[Option<EventInfo>]) -> &'static str {
    match first_event(events) {
        Some(event) => event.topic,
        // Refused by `check_topic`.
        None => "#",
    }
}
