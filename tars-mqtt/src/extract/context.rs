use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::state::States;
use super::{FromMessage, Rejection};
use crate::client::{Client, Receipt};
use crate::delivery::{Entry, Ticket};
use crate::error::{Error, Result};
use crate::event::{Event, Head, fresh_id, now};
use crate::log::{LogLimit, quoted};
use crate::message::Message;
use crate::qos::QoS;
use crate::spec::HandlerSpec;
use crate::wire::Publish;

/// What is known of the message that is being handled, and the way to answer it.
///
/// Cheap to clone; may outlive the handler.
#[derive(Clone)]
pub struct Context {
    message: Message,
    origin: OnceLock<Origin>,
    scope: Arc<Scope>,
    /// Replies under way keep the message from being acknowledged.
    ticket: Option<Arc<Ticket>>,
    attempt: u32,
}

/// What all messages of one handler share.
pub(crate) struct Scope {
    pub(crate) spec: &'static HandlerSpec,
    pub(crate) client: Client,
    pub(crate) states: Arc<States>,
    /// How many replies of the handler may wait in the outbox, so that others find room there.
    pub(crate) share: Arc<Semaphore>,
    /// How much is said of replies that were dropped.
    pub(crate) dropped_replies: LogLimit,
}

/// Replies of one handler that may wait to be sent.
pub(crate) const SHARE: usize = 64;

/// Where a message says that it comes from.
#[derive(Clone, Debug)]
enum Origin {
    Envelope(Head),
    Bare { id: String, ts: f64 },
}

impl Context {
    pub(crate) fn new(message: Message, scope: Arc<Scope>, ticket: Option<Arc<Ticket>>) -> Self {
        Self { message, origin: OnceLock::new(), scope, ticket, attempt: 1 }
    }

    pub(crate) fn set_attempt(&mut self, attempt: u32) {
        self.attempt = attempt;
    }

    pub(crate) fn spec(&self) -> &'static HandlerSpec {
        self.scope.spec
    }

    fn origin(&self) -> &Origin {
        self.origin.get_or_init(|| match Head::find(&self.message.payload) {
            Ok(head) => Origin::Envelope(head),
            Err(_) => Origin::Bare { id: fresh_id(), ts: now() },
        })
    }

    /// The envelope, if the payload is one.
    pub(crate) fn head(&self) -> Option<&Head> {
        match self.origin() {
            Origin::Envelope(head) => Some(head),
            Origin::Bare { .. } => None,
        }
    }

    /// Correlation id: the envelope's, or a new one where there is no envelope.
    #[must_use]
    pub fn id(&self) -> &str {
        match self.origin() {
            Origin::Envelope(head) => head.id(&self.message.payload),
            Origin::Bare { id, .. } => id,
        }
    }

    /// Event type: the envelope's; without one that of the handler's event, or empty.
    #[must_use]
    pub fn event_type(&self) -> &str {
        match self.origin() {
            Origin::Envelope(head) => head.event_type(&self.message.payload),
            Origin::Bare { .. } => self.scope.spec.event.map_or("", |event| event.event_type),
        }
    }

    /// Name of the service that sent it; empty without an envelope.
    #[must_use]
    pub fn source(&self) -> &str {
        self.head().map_or("", |head| head.source(&self.message.payload))
    }

    /// When it was sent, in seconds since the Unix epoch; without an envelope, when it was first
    /// looked at here.
    #[must_use]
    pub fn ts(&self) -> f64 {
        match self.origin() {
            Origin::Envelope(head) => head.ts(&self.message.payload),
            Origin::Bare { ts, .. } => *ts,
        }
    }

    /// The topic it came on.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.message.topic()
    }

    /// The quality of service with which the broker delivered it.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.message.qos()
    }

    /// Whether the broker had kept it (section 3.3.1.3).
    #[must_use]
    pub fn retain(&self) -> bool {
        self.message.retain()
    }

    /// Whether the broker may have sent it before (section 3.3.1.1).
    #[must_use]
    pub fn dup(&self) -> bool {
        self.message.dup()
    }

    /// The message itself.
    #[must_use]
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// Its payload.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        self.message.payload()
    }

    /// How often the handler has been called for this message, this call included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The client of the service.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.scope.client
    }

    /// What was handed to [`App::state`](crate::App::state) of this type.
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.scope.states.get::<T>()
    }

    /// Publishes an event with the correlation id of this message.
    ///
    /// Returns when it is accepted; the receipt says when the broker has it. The message being
    /// handled is acknowledged only after that, so a crash in between loses neither.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`].
    pub fn publish<E: Event + Serialize>(
        &self,
        event: &E,
    ) -> impl Future<Output = Result<Receipt>> + Send + use<'_, E> {
        let publish = self.encoded(event);
        async move { self.send(publish?).await }
    }

    pub(crate) fn encoded<E: Event + Serialize>(&self, event: &E) -> Result<Publish> {
        self.client().encoded(event, self.id())
    }

    /// Hands a reply in; the message it answers waits for the broker to have it.
    pub(crate) async fn send(&self, publish: Publish) -> Result<Receipt> {
        let client = self.client();
        let (entry, receipt) = client.entry(publish)?;
        client.put(self.held(entry).await).await?;
        Ok(receipt)
    }

    /// As [`send`](Self::send), where nobody asks for the receipt.
    pub(crate) async fn reply(&self, publish: Publish) -> Result<()> {
        let client = self.client();
        let entry = client.quiet_entry(publish)?;
        match client.put(self.held(entry).await).await {
            Err(Error::Disconnected) => {
                if tracing::enabled!(tracing::Level::DEBUG)
                    && let Some(suppressed) = self.scope.dropped_replies.allow()
                {
                    tracing::debug!(
                        handler = self.scope.spec.name,
                        id = &*quoted(self.id()),
                        suppressed,
                        "a QoS 0 reply was dropped: there is no connection"
                    );
                }
                Ok(())
            }
            outcome => outcome,
        }
    }

    async fn held(&self, mut entry: Entry) -> Entry {
        // The semaphore is never closed.
        entry.share = self.scope.share.clone().acquire_owned().await.ok();
        if entry.publish.qos() > QoS::AtMostOnce {
            entry.hold = self.ticket.as_ref().map(Ticket::hold_for_reply);
        }
        entry
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("handler", &self.scope.spec.name)
            .field("message", &self.message)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

impl FromMessage for Context {
    fn from_message(context: &Context) -> Result<Self, Rejection> {
        Ok(context.clone())
    }
}

impl FromMessage for Client {
    fn from_message(context: &Context) -> Result<Self, Rejection> {
        Ok(context.client().clone())
    }
}
