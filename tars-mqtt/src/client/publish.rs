use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::oneshot;

use super::Client;
use crate::delivery::Wake;
use crate::error::{Error, Result};
use crate::event::{Event, encode, fresh_id};
use crate::qos::QoS;
use crate::wire::Publish;

/// Says how a message that was accepted has ended. May be dropped: the message is sent all the same.
#[derive(Debug)]
pub struct Receipt {
    outcome: oneshot::Receiver<Result<()>>,
    wake: Arc<Wake>,
}

impl Receipt {
    pub(super) fn new(outcome: oneshot::Receiver<Result<()>>, wake: Arc<Wake>) -> Self {
        Self { outcome, wake }
    }

    /// Waits until the broker has acknowledged the message (PUBACK at QoS 1, PUBCOMP at QoS 2), or
    /// until it has been written to the socket (QoS 0).
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] when the client has a publish timeout and it has passed,
    /// [`Error::Disconnected`] when a QoS 0 message went down with its connection,
    /// [`Error::Stopped`] when the client shut down before.
    pub async fn delivered(self) -> Result<()> {
        // Whoever waits may block its thread with that.
        self.wake.wake_if_owed();
        self.outcome.await.unwrap_or(Err(Error::Stopped))
    }
}

/// A message under construction. Made by [`Client::message`].
#[derive(Debug)]
#[must_use = "a message is published by `send`"]
pub struct MessageBuilder<'a> {
    client: &'a Client,
    topic: String,
    payload: Bytes,
    qos: QoS,
    retain: bool,
}

impl<'a> MessageBuilder<'a> {
    pub(super) fn new(client: &'a Client, topic: String) -> Self {
        Self { client, topic, payload: Bytes::new(), qos: QoS::AtLeastOnce, retain: false }
    }

    /// Its content. Empty unless set; an empty retained message clears what the broker had kept
    /// (section 3.3.1.3).
    pub fn payload(mut self, payload: impl Into<Bytes>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Its quality of service. QoS 1 unless set.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the broker keeps it for later subscribers. No unless set.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Publishes it. Returns when it is accepted.
    ///
    /// # Errors
    ///
    /// [`Error::Topic`] when nothing can be published on the topic; otherwise as
    /// [`Client::publish`].
    pub async fn send(self) -> Result<Receipt> {
        self.client.send(Publish::new(self.topic, self.payload, self.qos, self.retain)).await
    }
}

/// An event under construction. Made by [`Client::event`].
#[must_use = "an event is published by `send`"]
pub struct EventBuilder<'a, E> {
    client: &'a Client,
    event: &'a E,
    topic: Option<String>,
    id: Option<String>,
    qos: QoS,
    retain: bool,
}

impl<'a, E: Event + Serialize> EventBuilder<'a, E> {
    pub(super) fn new(client: &'a Client, event: &'a E) -> Self {
        Self { client, event, topic: None, id: None, qos: E::QOS, retain: E::RETAIN }
    }

    /// Another topic than the event's own.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// The correlation id of the message it answers. A new one unless set.
    pub fn correlate(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Another quality of service than the event's own.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Whether the broker keeps it, if not as the event says.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Publishes it. Returns when it is accepted.
    ///
    /// # Errors
    ///
    /// As [`Client::publish`], and [`Error::Topic`] when nothing can be published on the topic.
    pub fn send(self) -> impl Future<Output = Result<Receipt>> + Send + use<'a, E> {
        let client = self.client;
        let publish = self.encoded();
        async move { client.send(publish?).await }
    }

    pub(super) fn encoded(self) -> Result<Publish> {
        let topic = match self.topic {
            Some(topic) => topic,
            None => self.event.topic()?.into_owned(),
        };
        let id = self.id.unwrap_or_else(fresh_id);
        let payload = encode(self.event, &id, self.client.config().source_name())?;
        Ok(Publish::new(topic, payload, self.qos, self.retain))
    }
}

impl<E> fmt::Debug for EventBuilder<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventBuilder")
            .field("topic", &self.topic)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
