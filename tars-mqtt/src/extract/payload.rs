use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Context, EventInfo, FromMessage, Rejection};
use crate::event::{self, Envelope, Event, Head, Unreadable, read_data, utf8};
use crate::message::Message;

/// The whole payload as JSON, with no envelope around it.
///
/// Fields that `T` does not know are ignored, unless `T` refuses them itself.
///
/// ```
/// use serde::Deserialize;
/// use tars_mqtt::prelude::*;
///
/// #[derive(Deserialize)]
/// struct Reading {
///     celsius: f64,
/// }
///
/// #[subscribe("esp32/{room}")]
/// async fn reading(room: String, Json(reading): Json<Reading>) {
///     println!("{room}: {} °C", reading.celsius);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

fn data<E: Event + DeserializeOwned>(context: &Context) -> Result<E, Rejection> {
    let payload = context.payload();
    if E::BARE {
        return bare(payload);
    }
    let Some(head) = context.head() else { return without_envelope(context) };
    head.read(payload).or_else(|unreadable| match unreadable {
        Unreadable::Envelope(_) => without_envelope(context),
        other @ Unreadable::Type(..) => Err(Rejection::of_another_type(other.to_string())),
        refused => Err(Rejection::new(refused.to_string())),
    })
}

fn without_envelope<E: Event + DeserializeOwned>(context: &Context) -> Result<E, Rejection> {
    let payload = context.payload();
    if context.spec().options.accept_bare { bare(payload) } else { Err(not_an_envelope(payload)) }
}

fn bare<E: Event + DeserializeOwned>(payload: &[u8]) -> Result<E, Rejection> {
    read_data(payload).map_err(|unreadable| Rejection::new(unreadable.to_string()))
}

#[cold]
fn not_an_envelope(payload: &[u8]) -> Rejection {
    if payload.is_empty() {
        return Rejection::new("the payload is empty, and an envelope was expected");
    }
    // Parsed again for the reason, which nobody needs when all goes well.
    match Head::parse(payload) {
        Err(error) => Rejection::new(format!(
            "{} (if it is meant to come without one, subscribe with `accept_bare`)",
            Unreadable::Envelope(error)
        )),
        Ok(_) => Rejection::new("the payload is not an envelope"),
    }
}

// Its bounds would be told one by one in place of what a handler can take.
#[diagnostic::do_not_recommend]
impl<E: Event + DeserializeOwned> FromMessage for E {
    const TAKES_PAYLOAD: bool = true;
    const EVENT: Option<EventInfo> = Some(EventInfo::of::<E>());

    fn from_message(context: &Context) -> Result<Self, Rejection> {
        data(context)
    }
}

impl<E: Event + DeserializeOwned> FromMessage for Envelope<E> {
    const TAKES_PAYLOAD: bool = true;
    const EVENT: Option<EventInfo> = Some(EventInfo::of::<E>());

    fn from_message(context: &Context) -> Result<Self, Rejection> {
        Ok(event::Envelope {
            data: data(context)?,
            id: context.id().to_owned(),
            event_type: context.event_type().to_owned(),
            ts: context.ts(),
            source: context.source().to_owned(),
        })
    }
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    const TAKES_PAYLOAD: bool = true;

    fn from_message(context: &Context) -> Result<Self, Rejection> {
        utf8(context.payload()).and_then(serde_json::from_str).map(Self).map_err(|error| {
            Rejection::new(format!("the payload is not the JSON expected: {error}"))
        })
    }
}

impl FromMessage for Message {
    const TAKES_PAYLOAD: bool = true;

    fn from_message(context: &Context) -> Result<Self, Rejection> {
        Ok(context.message().clone())
    }
}

impl FromMessage for Bytes {
    const TAKES_PAYLOAD: bool = true;

    fn from_message(context: &Context) -> Result<Self, Rejection> {
        Ok(context.payload().clone())
    }
}

impl FromMessage for String {
    const TAKES_PAYLOAD: bool = true;

    fn from_message(context: &Context) -> Result<Self, Rejection> {
        std::str::from_utf8(context.payload())
            .map(str::to_owned)
            .map_err(|error| Rejection::new(format!("the payload is not UTF-8: {error}")))
    }
}
