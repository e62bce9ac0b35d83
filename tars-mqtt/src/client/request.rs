use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tars_mqtt_topic::Pattern;
use tokio::sync::oneshot;

use super::Client;
use super::subscription::{Messages, read};
use crate::event::{Envelope, Head, fresh_id};
use crate::message::Message;
use crate::{Error, Event, QoS, Result};

/// How long an answer may take unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Who waits for an answer, by correlation id.
pub(crate) type Answers = HashMap<String, oneshot::Sender<Message>>;

/// A request on its way, made by [`Client::request`]. It is sent when it is awaited.
#[must_use = "a request is sent when it is awaited"]
pub struct Request<'a, Q, A> {
    client: &'a Client,
    event: &'a Q,
    timeout: Duration,
    answer: PhantomData<fn() -> A>,
}

impl<'a, Q, A> Request<'a, Q, A> {
    pub(super) fn new(client: &'a Client, event: &'a Q) -> Self {
        Self { client, event, timeout: TIMEOUT, answer: PhantomData }
    }

    /// How long the answer may take, from now. 30 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
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
            let exchange = exchange::<Q, A>(self.client, self.event);
            tokio::time::timeout(self.timeout, exchange)
                .await
                .unwrap_or(Err(Error::Timeout(self.timeout)))
        })
    }
}

async fn exchange<Q, A>(client: &Client, event: &Q) -> Result<Envelope<A>>
where
    Q: Event + Serialize + Sync,
    A: Event + DeserializeOwned,
{
    let answers = answers::<A>(client).await?;
    let id = fresh_id();
    let (sender, answer) = oneshot::channel();
    lock(&answers).insert(id.clone(), sender);
    // Also when the caller gives up waiting.
    let _forget = Forget { answers: &answers, id: &id };
    let _ = client.event(event).correlate(&*id).send().await?;
    let message = answer.await.map_err(|_| Error::Stopped)?;
    read(&message).map_err(Error::Answer)
}

struct Forget<'a> {
    answers: &'a Mutex<Answers>,
    id: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        lock(self.answers).remove(self.id);
    }
}

fn lock(answers: &Mutex<Answers>) -> std::sync::MutexGuard<'_, Answers> {
    answers.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those who wait for answers of a kind. Answers are subscribed to once, with the first request,
/// and listened for as long as the client lives.
async fn answers<A: Event>(client: &Client) -> Result<Arc<Mutex<Answers>>> {
    let mut all = client.0.answers.lock().await;
    if let Some(answers) = all.get(A::TOPIC) {
        return Ok(answers.clone());
    }
    let filter = Pattern::parse(A::TOPIC)
        .map_err(|reason| Error::Filter { filter: A::TOPIC.to_owned(), reason })?
        .filter();
    // What a handler waits for must not wait behind the messages that handlers hold: at QoS 0 an
    // answer needs no place in the broker's window.
    let qos = if client.0.has_handlers { QoS::AtMostOnce } else { A::QOS };
    let messages = Messages::open(client, &filter, qos, false).await?;
    let answers = Arc::new(Mutex::new(Answers::new()));
    all.insert(A::TOPIC, answers.clone());
    crate::task::spawn(Box::pin(listen(messages.detach(), answers.clone())));
    Ok(answers)
}

async fn listen(queue: Arc<crate::delivery::Queue>, answers: Arc<Mutex<Answers>>) {
    while let Some(job) = Messages::next(&queue).await {
        queue.done();
        if let Ok(head) = Head::find(job.message.payload()) {
            let waiting = lock(&answers).remove(head.id(job.message.payload()));
            if let Some(waiting) = waiting {
                // Whoever asked may have given up.
                let _ = waiting.send(job.message);
            }
        }
        if let Some(hold) = job.hold {
            hold.release();
        }
    }
    // Nobody is answered any more.
    lock(&answers).clear();
}

impl<Q, A> fmt::Debug for Request<'_, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
