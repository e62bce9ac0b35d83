use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use super::answers::{Answers, PassedOver, Wanted};
use super::subscription::read_caught;
use crate::error::{Error, Result};
use crate::event::{Envelope, Event, fresh_id};
use crate::session::Command;

/// How long an answer may take unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A request on its way, made by [`Client::request`]. It is sent when it is awaited.
#[must_use = "a request is sent when it is awaited"]
pub struct Request<'a, Q, A> {
    client: &'a Client,
    event: &'a Q,
    timeout: Duration,
    source: Option<String>,
    answer: PhantomData<fn() -> A>,
}

impl<'a, Q, A> Request<'a, Q, A> {
    pub(super) fn new(client: &'a Client, event: &'a Q) -> Self {
        Self { client, event, timeout: TIMEOUT, source: None, answer: PhantomData }
    }

    /// How long the answer may take, from now. 30 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Who is to answer: the source that the answer names. Others are passed over. Anyone unless
    /// set.
    ///
    /// Whoever may publish can name any source: only the broker's rights keep a forger away.
    ///
    /// ```no_run
    /// # use serde::{Deserialize, Serialize};
    /// # use tars_mqtt::prelude::*;
    /// # #[derive(Serialize, Event)]
    /// # struct LlmRequest { text: String }
    /// # #[derive(Deserialize, Event)]
    /// # struct LlmResponse { reply: String }
    /// # async fn example(client: Client, request: LlmRequest) -> tars_mqtt::Result<()> {
    /// let answer: Envelope<LlmResponse> = client.request(&request).from("llm-worker").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl<'a, Q, A> IntoFuture for Request<'a, Q, A>
where
    Q: Event + Serialize + Sync,
    A: Event + DeserializeOwned + Send + 'a,
{
    type Output = Result<Envelope<A>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            check::<A>()?;
            let passed_over = Arc::<PassedOver>::default();
            let exchange =
                exchange::<Q, A>(self.client, self.event, self.source, passed_over.clone());
            let answered = tokio::time::timeout(self.timeout, exchange).await;
            answered.unwrap_or_else(|_| Err(passed_over.error(self.timeout)))
        })
    }
}

async fn exchange<Q, A>(
    client: &Client,
    event: &Q,
    source: Option<String>,
    passed_over: Arc<PassedOver>,
) -> Result<Envelope<A>>
where
    Q: Event + Serialize + Sync,
    A: Event + DeserializeOwned,
{
    let answers = Answers::of::<A>(client).await?;
    let id = fresh_id();
    // The place is left also when the caller gives up waiting, after the other end.
    let wanted = Wanted { from: source, request: (Q::TYPE, client.config().source_name().into()) };
    let (_place, answer) = answers.wait::<A>(&id, wanted, passed_over);
    let publish = client.event(event).correlate(&*id).encoded()?;
    let waits = Arc::new(());
    if client.0.has_handlers {
        // One of them may be whom this asks.
        let (message, wanted) = (publish.as_message(), Arc::downgrade(&waits));
        let own = Box::new(Command::OwnRequest { message, wanted });
        client.0.commands.send(own).map_err(|_| Error::Stopped)?;
    }
    let _ = client.send(publish).await?;
    // Whoever waits may block its thread with that.
    client.wake().wake_if_owed();
    let message = answer.await.map_err(|_| Error::Stopped)?;
    read_caught(&message).map_err(Error::Answer)
}

/// An answer is known by the correlation id in its envelope, and heard on its own topic.
fn check<A: Event>() -> Result<()> {
    let event_type = A::TYPE;
    if A::BARE {
        return Err(Error::Answer(format!(
            "`{event_type}` is declared bare, and without an envelope there is no correlation id \
             to know an answer by; remove `bare`, or subscribe to it"
        )));
    }
    if matches!(A::TOPIC, "#" | "+/#") {
        return Err(Error::Answer(format!(
            "`{event_type}` has no topic of its own to hear an answer on; take another event"
        )));
    }
    Ok(())
}

impl<Q, A> fmt::Debug for Request<'_, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
