//! What a handler can take from a message.

mod context;
mod payload;
mod state;

pub use context::Context;
pub(crate) use context::{SHARE, Scope};
pub use payload::Json;
pub(crate) use state::States;
pub use state::{Requirements, State};

use std::fmt;

use crate::error::BoxError;
pub use crate::event::EventInfo;

/// Something a handler can take as an argument.
///
/// Implemented for [`Context`], [`State`], [`Client`](crate::Client), and for payloads: events,
/// [`Envelope`](crate::Envelope), [`Json`], [`Bytes`](bytes::Bytes), `String` and
/// [`Message`](crate::Message). Implement it for a type of your own to take that from a message:
///
/// ```
/// use tars_mqtt::extract::{FromMessage, Rejection};
/// use tars_mqtt::prelude::*;
///
/// struct Tenant(String);
///
/// impl FromMessage for Tenant {
///     fn from_message(context: &Context) -> Result<Self, Rejection> {
///         match context.topic().split('/').next() {
///             Some(tenant) if !tenant.is_empty() => Ok(Self(tenant.to_owned())),
///             _ => Err(Rejection::new("the topic names no tenant")),
///         }
///     }
/// }
///
/// #[subscribe("+/orders")]
/// async fn order(tenant: Tenant, order: Bytes) {
///     println!("{} bytes for {}", order.len(), tenant.0);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}` from a message",
    label = "cannot be taken from a message",
    note = "take an event (#[derive(Event)] with serde's Deserialize), an Envelope of one, \
            Json<T: Deserialize>, Bytes, String, Message, Context, State<T: Clone> or Client",
    note = "a type of your own: implement tars_mqtt::extract::FromMessage for it",
    note = "a part of the topic: name the argument like its `{{name}}` in the filter"
)]
pub trait FromMessage: Sized {
    /// Whether this takes the payload. A handler takes it at most once.
    const TAKES_PAYLOAD: bool = false;

    /// The event this reads, if it is one: its topic must suit the handler's filter.
    const EVENT: Option<EventInfo> = None;

    /// Takes it from a message.
    ///
    /// # Errors
    ///
    /// When the message does not hold it. The handler is then not called, the reason is logged, and
    /// the message is not tried again.
    fn from_message(context: &Context) -> Result<Self, Rejection>;

    /// Says which states this needs, so that a missing one is found at start. Needed only where an
    /// implementation calls [`Context::state`].
    fn requirements(_requirements: &mut Requirements) {}
}

/// Why something could not be taken from a message.
#[derive(Debug)]
pub struct Rejection {
    reason: BoxError,
    kind: RejectionKind,
}

/// What a rejection means to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RejectionKind {
    /// The message is not what the handler takes.
    Unfit,
    /// It is an event of another type, which another handler may take.
    OtherType,
}

impl Rejection {
    /// A rejection with this reason.
    pub fn new(reason: impl Into<BoxError>) -> Self {
        Self { reason: reason.into(), kind: RejectionKind::Unfit }
    }

    pub(crate) fn of_another_type(reason: String) -> Self {
        Self { reason: reason.into(), kind: RejectionKind::OtherType }
    }

    pub(crate) fn kind(&self) -> RejectionKind {
        self.kind
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.reason, f)
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.reason)
    }
}
