//! What the macros write calls to. Not for use by hand.

use std::fmt::Display;
use std::str::FromStr;

pub use inventory;

pub use crate::app::{MainOptions, MainResult, main, main_with_app};
pub use crate::delivery::Overflow;
pub use crate::event::TopicField;
use crate::extract::{Context, EventInfo, Rejection};
pub use crate::handler::{
    AckMode, Argument, Failure, Handler, HandlerSpec, Options, Registration, check_dead_letter,
    check_filter, check_payload, check_topic,
};

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
