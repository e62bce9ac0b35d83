use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tars_mqtt_topic::Pattern;
use tokio::sync::oneshot;

use super::Client;
use crate::delivery::{Job, Overflow, Queue};
use crate::error::{Error, Result};
use crate::event::{Envelope, Event, read};
use crate::log::{LogLimit, quoted};
use crate::message::Message;
use crate::panics::caught;
use crate::qos::QoS;
use crate::session::Command;

/// QoS 0 messages that may wait in a stream.
const CAPACITY: usize = 256;

/// Messages of one filter, as they come.
pub(super) struct Messages {
    /// `None` once it is left to run as long as the connection.
    client: Option<Client>,
    queue: Arc<Queue>,
    stream: u64,
}

impl Messages {
    pub(super) async fn open(
        client: &Client,
        filter: &str,
        qos: QoS,
        done_on_receive: bool,
    ) -> Result<Self> {
        let pattern = Pattern::parse(filter)
            .map_err(|reason| Error::Filter { filter: filter.to_owned(), reason })?;
        let queue = Arc::new(Queue::new(CAPACITY, Overflow::DropOldest, client.0.wake.clone()));
        let stream = client.0.streams.fetch_add(1, Ordering::Relaxed);
        // Made first, so that whoever gives up while the broker has not answered unsubscribes.
        let messages = Self { client: Some(client.clone()), queue: queue.clone(), stream };
        let (done, granted) = oneshot::channel();
        let command = Command::Subscribe {
            stream,
            filter: pattern.filter(),
            qos,
            queue,
            done_on_receive,
            done,
        };
        client.0.commands.send(Box::new(command)).map_err(|_| Error::Stopped)?;
        granted.await.unwrap_or(Err(Error::Stopped))?;
        Ok(messages)
    }

    /// The next message; `None` once the client has shut down.
    pub(super) async fn next(queue: &Queue) -> Option<Job> {
        queue.next().await
    }

    /// Leaves the subscription to last as long as the connection, which closes the queue.
    pub(super) fn detach(mut self) -> Arc<Queue> {
        self.client = None;
        self.queue.clone()
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        let Some(client) = &self.client else { return };
        self.queue.close();
        self.queue.clear();
        // A client that has stopped needs no unsubscribing.
        let _ = client.0.commands.send(Box::new(Command::Unsubscribe { stream: self.stream }));
    }
}

/// A subscription under construction. Made by [`Client::subscription`].
#[must_use = "a subscription is made by `open`"]
pub struct SubscriptionBuilder<'a, E> {
    client: &'a Client,
    filter: String,
    qos: Option<QoS>,
    ack_on_receive: bool,
    event: PhantomData<fn() -> E>,
}

impl<'a, E: Event + DeserializeOwned> SubscriptionBuilder<'a, E> {
    pub(super) fn new(client: &'a Client, filter: String) -> Self {
        Self { client, filter, qos: None, ack_on_receive: false, event: PhantomData }
    }

    /// Another quality of service than the event's own, or in a handler than 0.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = Some(qos);
        self
    }

    /// Acknowledges each message as it comes, not when the next one is asked for: a stream that is
    /// not read holds up nobody, and a crash loses what waits in it. At most 256 messages wait then;
    /// the oldest goes first.
    pub fn ack_on_receive(mut self) -> Self {
        self.ack_on_receive = true;
        self
    }

    /// Subscribes, and waits until the broker has agreed.
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`].
    pub async fn open(self) -> Result<Subscription<E>> {
        // What a handler waits for must not wait behind the messages that handlers hold: at QoS 0 it
        // needs no place in the broker's window.
        let is_in_handler = self.client.wake().is_polling();
        let own = if is_in_handler { QoS::AtMostOnce } else { E::QOS };
        let qos = self.qos.unwrap_or(own);
        let messages = Messages::open(self.client, &self.filter, qos, self.ack_on_receive).await?;
        Ok(Subscription {
            messages,
            waiting: None,
            passed_over: LogLimit::default(),
            event: PhantomData,
        })
    }
}

impl<E> fmt::Debug for SubscriptionBuilder<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubscriptionBuilder")
            .field("filter", &self.filter)
            .field("qos", &self.qos)
            .field("ack_on_receive", &self.ack_on_receive)
            .finish_non_exhaustive()
    }
}

/// A stream of events, made by [`Client::subscribe`].
///
/// Ends when the client has shut down.
pub struct Subscription<E> {
    messages: Messages,
    waiting: Option<Waiting>,
    passed_over: LogLimit,
    event: PhantomData<fn() -> E>,
}

type Waiting = Pin<Box<dyn Future<Output = Option<Job>> + Send + Sync>>;

impl<E: Event + DeserializeOwned> Subscription<E> {
    /// The next event; `None` once the client has shut down.
    pub async fn next(&mut self) -> Option<Envelope<E>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl<E: Event + DeserializeOwned> Stream for Subscription<E> {
    type Item = Envelope<E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // Done with the one before.
            self.messages.queue.hand_out(None);
            let queue = self.messages.queue.clone();
            let waiting = self
                .waiting
                .get_or_insert_with(|| Box::pin(async move { Messages::next(&queue).await }));
            let Poll::Ready(job) = waiting.as_mut().poll(context) else { return Poll::Pending };
            self.waiting = None;
            let Some(Job { message, hold }) = job else { return Poll::Ready(None) };
            self.messages.queue.done();
            self.messages.queue.hand_out(hold);
            match read_caught::<E>(&message) {
                Ok(envelope) => return Poll::Ready(Some(envelope)),
                Err(reason) => {
                    if let Some(suppressed) = self.passed_over.allow() {
                        tracing::warn!(
                            topic = &*quoted(message.topic()),
                            suppressed,
                            "a message was passed over in a subscription: {}",
                            quoted(&reason)
                        );
                    }
                }
            }
        }
    }
}

impl<E> fmt::Debug for Subscription<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

/// Reads a message as an event, whose own code may panic at what it reads.
pub(super) fn read_caught<E: Event + DeserializeOwned>(
    message: &Message,
) -> Result<Envelope<E>, String> {
    match caught(|| read(message.payload())) {
        Ok(outcome) => outcome.map_err(|unreadable| unreadable.to_string()),
        Err(panic) => Err(format!("reading it panicked: {panic}")),
    }
}
