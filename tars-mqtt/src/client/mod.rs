//! The way to the broker, for handlers and for programs of their own.

mod answers;
mod connect;
mod health;
mod publish;
mod request;
mod shared;
mod subscription;
mod transport;

pub use health::Health;
pub use publish::{EventBuilder, MessageBuilder, Receipt};
pub use request::Request;
pub(crate) use shared::{Service, Shared};
pub use subscription::{Subscription, SubscriptionBuilder};
pub use transport::Transport;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};

use crate::config::Config;
use crate::delivery::{Entry, Wake};
use crate::error::{Error, Result};
use crate::event::{Event, encode, fresh_id};
use crate::net::Network;
use crate::session::{Command, ConnectionState};
use crate::wire::Publish;

/// A connection to the broker that is kept up. Cheap to clone; all clones share it.
///
/// ```no_run
/// # async fn example() -> tars_mqtt::Result<()> {
/// use serde::{Deserialize, Serialize};
/// use tars_mqtt::prelude::*;
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct LlmRequest { text: String }
/// #[derive(Debug, Serialize, Deserialize, Event)]
/// struct LlmResponse { reply: String }
///
/// let client = Client::connect(Config::from_env()?).await?;
/// let receipt = client.publish(&LlmRequest { text: "hello".into() }).await?;
/// receipt.delivered().await?;
/// let reply: Envelope<LlmResponse> =
///     client.request(&LlmRequest { text: "who are you?".into() }).await?;
/// println!("{}", reply.data.reply);
/// client.shutdown().await?;
/// # Ok(())
/// # }
/// ```
///
/// When the last clone is dropped without [`shutdown`](Self::shutdown), the connection says goodbye
/// in the background, as far as the runtime still runs.
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Shared>);

impl Client {
    /// Connects, and waits until the broker has accepted.
    ///
    /// A broker that is not there is tried again and again, with growing pauses, and said so in the
    /// log.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when settings contradict each other, [`Error::Tls`] when a certificate
    /// cannot be used, [`Error::Refused`] when the broker does not want this client.
    pub async fn connect(config: Config) -> Result<Self> {
        config.validate()?;
        let dialer = Arc::new(Network::prepare(&config)?);
        let (client, mut driver) = Self::prepare(config, dialer, false);
        let started = driver.session.start(Vec::new());
        driver.spawn();
        started.await.unwrap_or(Err(Error::Stopped))?;
        Ok(client)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(crate) fn wake(&self) -> &Wake {
        &self.0.wake
    }

    /// Publishes an event on its topic, with a new correlation id.
    ///
    /// Returns when the event is accepted: it waits for room in the outbox (1,024 messages), not
    /// for the broker. An event at QoS 1 or 2 that was accepted survives lost connections and a
    /// lost session as long as the process lives.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] and [`Error::TopicField`] when the event cannot be sent as it is,
    /// [`Error::TooLarge`], [`Error::Disconnected`] for a QoS 0 event while there is no connection,
    /// [`Error::Stopped`] after [`shutdown`](Self::shutdown).
    pub fn publish<E: Event + Serialize>(
        &self,
        event: &E,
    ) -> impl Future<Output = Result<Receipt>> + Send + use<'_, E> {
        let publish = self.encoded(event, &fresh_id());
        async move { self.send(publish?).await }
    }

    /// An event with a topic or a correlation id of its own.
    ///
    /// ```no_run
    /// # use serde::Serialize;
    /// # use tars_mqtt::prelude::*;
    /// # #[derive(Serialize, Event)]
    /// # struct Reading { celsius: f64 }
    /// # async fn example(client: Client) -> tars_mqtt::Result<()> {
    /// client.event(&Reading { celsius: 20.5 }).topic("other/topic").correlate("42").send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn event<'a, E: Event + Serialize>(&'a self, event: &'a E) -> EventBuilder<'a, E> {
        EventBuilder::new(self, event)
    }

    /// A message of any bytes, at QoS 1 and not retained unless told otherwise.
    ///
    /// ```no_run
    /// # use tars_mqtt::prelude::*;
    /// # async fn example(client: Client) -> tars_mqtt::Result<()> {
    /// client
    ///     .message("camera/frame")
    ///     .payload(vec![0xff, 0xd8])
    ///     .qos(QoS::AtMostOnce)
    ///     .send()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn message(&self, topic: impl Into<String>) -> MessageBuilder<'_> {
        MessageBuilder::new(self, topic.into())
    }

    /// Publishes an event and waits for the answer: the first event of type `A` with the same
    /// correlation id, on `A`'s topic. What comes with that id and is none is passed over, said so
    /// in the log, and waited behind. Waits 30 s unless told otherwise with [`Request::timeout`];
    /// takes it from anyone unless told otherwise with [`Request::from`].
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish); [`Error::Timeout`] when no answer comes, [`Error::Answer`]
    /// when only such came as were passed over, or at once when `A` is declared `bare` and has no
    /// correlation id; [`Error::SubscriptionRefused`] when the broker does not let this client hear answers.
    pub fn request<'a, Q, A>(&'a self, event: &'a Q) -> Request<'a, Q, A>
    where
        Q: Event + Serialize + Sync,
        A: Event + DeserializeOwned + Send,
    {
        Request::new(self, event)
    }

    /// Subscribes to events of one kind, as a stream of envelopes.
    ///
    /// The filter may have named parameters, which stand for `+` and `#`. What does not decode is
    /// logged and passed over. An item is acknowledged when the next one is asked for, so that a
    /// crash before that brings it again. At most 256 messages wait that nothing is promised for;
    /// the oldest goes first. When the stream is dropped, it is unsubscribed.
    ///
    /// **A stream that is not read holds up others.** Acknowledgements leave in the order in which
    /// messages came (MQTT-4.6.0-2), so what a stream does not look at keeps the handlers' messages
    /// unacknowledged too. After 10 s such an item is acknowledged all the same, with a warning, and
    /// waits on. Where items may wait for long, acknowledge them as they come:
    /// [`subscription`](Self::subscription) and
    /// [`ack_on_receive`](SubscriptionBuilder::ack_on_receive).
    ///
    /// **In a handler the subscription is made at QoS 0**, like that for the answers to a
    /// [`request`](Self::request): at QoS 1 what the handler waits for would take a place in the
    /// broker's window, which may be full of messages that wait for the handler. In a task that a
    /// handler starts and waits for, ask for it: `subscription(…).qos(QoS::AtMostOnce)`.
    ///
    /// # Errors
    ///
    /// [`Error::Filter`] when MQTT forbids the filter, [`Error::SubscriptionRefused`] when the
    /// broker refuses it. While there is no connection, waits for one.
    pub async fn subscribe<E: Event + DeserializeOwned>(
        &self,
        filter: &str,
    ) -> Result<Subscription<E>> {
        self.subscription(filter).open().await
    }

    /// A subscription to events of one kind with options of its own.
    ///
    /// ```no_run
    /// # use serde::Deserialize;
    /// # use tars_mqtt::prelude::*;
    /// # #[derive(Deserialize, Event)]
    /// # struct Reading { celsius: f64 }
    /// # async fn example(client: Client) -> tars_mqtt::Result<()> {
    /// let mut readings =
    ///     client.subscription::<Reading>("sensors/+").ack_on_receive().open().await?;
    /// while let Some(reading) = readings.next().await {
    ///     println!("{}", reading.data.celsius);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscription<E: Event + DeserializeOwned>(
        &self,
        filter: impl Into<String>,
    ) -> SubscriptionBuilder<'_, E> {
        SubscriptionBuilder::new(self, filter.into())
    }

    /// How the service is, for all to see on `system/health/{client_id}`.
    #[must_use]
    pub fn health(&self) -> Health<'_> {
        Health::new(self)
    }

    /// Whether the broker is there, to look at or to wait for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.0.state.clone()
    }

    /// The transport beneath, for what this crate does not cover.
    #[must_use]
    pub fn rumqttc(&self) -> Transport {
        Transport::of(&self.0)
    }

    /// Ends in order: sends what was accepted, publishes health, says goodbye, within
    /// `MQTT_SHUTDOWN_TIMEOUT`. Further calls and clones find the client stopped.
    ///
    /// The client of a service ends the service: it takes no more messages, and its handlers finish
    /// first. To one of these handlers this returns at once, and the service ends when the handler
    /// has.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] when messages had to be left behind, or handlers have not finished in half
    /// of the time; they are given the rest of it all the same. [`Error::Stopped`] when the
    /// connection is gone already because its runtime is.
    pub async fn shutdown(&self) -> Result<()> {
        match self.0.service.get() {
            Some(service) => service.clone().shutdown(self.clone()).await,
            None => self.end(self.shutdown_deadline()).await,
        }
    }

    /// When a shutdown that begins now has had its time.
    pub(crate) fn shutdown_deadline(&self) -> tokio::time::Instant {
        tokio::time::Instant::now() + self.config().shutdown_limit()
    }

    /// Ends the connection.
    pub(crate) async fn end(&self, deadline: tokio::time::Instant) -> Result<()> {
        let (done, ended) = oneshot::channel();
        if self.0.commands.send(Box::new(Command::Shutdown { deadline, done })).is_err() {
            return if self.is_aborted() { Err(Error::Stopped) } else { Ok(()) };
        }
        ended.await.unwrap_or(Err(Error::Stopped))
    }

    /// Whether the connection ended without having been told to.
    fn is_aborted(&self) -> bool {
        self.0.aborted.load(std::sync::atomic::Ordering::Acquire)
    }

    /// An event as it is published, with this correlation id.
    pub(crate) fn encoded<E: Event + Serialize>(&self, event: &E, id: &str) -> Result<Publish> {
        let payload = encode(event, id, self.config().source_name())?;
        Ok(Publish::new(event.topic()?.into_owned(), payload, E::QOS, E::RETAIN))
    }

    /// A message for the outbox, and the receipt for it.
    pub(crate) fn entry(&self, publish: Publish) -> Result<(Entry, Receipt)> {
        let mut entry = self.quiet_entry(publish)?;
        let (sender, receipt) = oneshot::channel();
        entry.receipt = Some(sender);
        Ok((entry, Receipt::new(receipt, self.0.wake.clone())))
    }

    /// A message for the outbox whose fate nobody asks for.
    pub(crate) fn quiet_entry(&self, publish: Publish) -> Result<Entry> {
        publish.check_size(self.config().packet_limit())?;
        tars_mqtt_topic::check_topic_name(publish.topic())
            .map_err(|reason| Error::Topic { topic: publish.topic().to_owned(), reason })?;
        let mut entry = Entry::new(publish);
        entry.deadline =
            self.config().publish_limit().map(|limit| tokio::time::Instant::now() + limit);
        Ok(entry)
    }

    pub(crate) async fn put(&self, entry: Entry) -> Result<()> {
        self.0.outbox.put(entry).await
    }

    pub(crate) async fn send(&self, publish: Publish) -> Result<Receipt> {
        let (entry, receipt) = self.entry(publish)?;
        self.put(entry).await?;
        Ok(receipt)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("client_id", &self.config().client_id())
            .field("state", &*self.0.state.borrow())
            .finish_non_exhaustive()
    }
}
