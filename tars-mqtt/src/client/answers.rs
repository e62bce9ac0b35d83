use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tars_mqtt_topic::Pattern;
use tokio::sync::oneshot;

use super::Client;
use super::subscription::{Messages, read_caught};
use crate::delivery::Queue;
use crate::error::{Error, Result};
use crate::event::{Event, Head};
use crate::log::{LogLimit, quoted};
use crate::message::Message;
use crate::qos::QoS;
use crate::text::cut;

/// Bytes that are kept of why an answer was passed over.
const LONGEST_REASON: usize = 512;

/// Those who wait for answers on one topic, by correlation id.
#[derive(Default)]
pub(crate) struct Answers {
    waiting: Mutex<HashMap<String, Waiting>>,
    passed_over: LogLimit,
}

/// Who waits for an answer. It is looked at when it comes, so that none is kept but the right one.
struct Waiting {
    answer: oneshot::Sender<Message>,
    /// Says why a message is not the event that is waited for.
    check: fn(&Message) -> Result<(), String>,
    wanted: Wanted,
    passed_over: Arc<PassedOver>,
}

/// Where an answer must come from, and what it is not.
pub(super) struct Wanted {
    /// The source it must name, if any.
    pub(super) from: Option<String>,
    /// The type of what was asked, and who asked: where answers come on the topic of the request,
    /// that comes as well.
    pub(super) request: (&'static str, String),
}

impl Waiting {
    /// Whether this is the request itself.
    fn is_the_request(&self, message: &Message, head: &Head) -> bool {
        let (event_type, source) = &self.wanted.request;
        let payload = message.payload();
        head.event_type(payload) == *event_type && head.source(payload) == source
    }

    /// Why a message is not the answer.
    fn check(&self, message: &Message, head: &Head) -> Result<(), String> {
        let found = head.source(message.payload());
        match &self.wanted.from {
            Some(wanted) if wanted != found => {
                Err(format!("it is from `{}`, and `{wanted}` was asked", quoted(found)))
            }
            _ => (self.check)(message),
        }
    }
}

/// Answers that were not the right one.
#[derive(Debug, Default)]
pub(super) struct PassedOver(Mutex<(u64, String)>);

impl PassedOver {
    fn note(&self, reason: &str) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.0 += 1;
        cut(reason, LONGEST_REASON).clone_into(&mut noted.1);
    }

    /// Why there is no answer after this time.
    pub(super) fn error(&self, limit: Duration) -> Error {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*noted {
            (0, _) => Error::Timeout(limit),
            (count, reason) => Error::Answer(format!(
                "none came within {limit:?} that is right; passed over: {count}, the last one \
                 because {}",
                quoted(reason)
            )),
        }
    }
}

/// A place among those who wait, given up when it is dropped.
pub(super) struct Place<'a> {
    answers: &'a Answers,
    id: &'a str,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.answers.waiting().remove(self.id);
    }
}

impl Answers {
    /// Those who wait for answers of a kind. Answers are subscribed to once, with the first
    /// request, and listened for as long as the client lives.
    pub(super) async fn of<A: Event>(client: &Client) -> Result<Arc<Self>> {
        let kind = (A::TOPIC, A::QOS.level());
        let place = {
            let mut all = client.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(kind).or_default().clone()
        };
        // Whoever waits for the broker here holds up those alone who want answers of the same kind.
        place.get_or_try_init(|| Self::subscribe::<A>(client)).await.cloned()
    }

    async fn subscribe<A: Event>(client: &Client) -> Result<Arc<Self>> {
        let filter = Pattern::parse(A::TOPIC)
            .map_err(|reason| Error::Filter { filter: A::TOPIC.to_owned(), reason })?
            .filter();
        // What a handler waits for must not wait behind the messages that handlers hold: at QoS 0 an
        // answer needs no place in the broker's window.
        let qos = if client.0.has_handlers { QoS::AtMostOnce } else { A::QOS };
        let messages = Messages::open(client, &filter, qos, false).await?;
        let answers = Arc::new(Self::default());
        crate::task::spawn(Box::pin(listen(messages.detach(), answers.clone())));
        Ok(answers)
    }

    /// Waits for an answer with this id.
    pub(super) fn wait<'a, A: Event + DeserializeOwned>(
        &'a self,
        id: &'a str,
        wanted: Wanted,
        passed_over: Arc<PassedOver>,
    ) -> (Place<'a>, oneshot::Receiver<Message>) {
        let (sender, answer) = oneshot::channel();
        let check = |message: &Message| read_caught::<A>(message).map(|_| ());
        let waiting = Waiting { answer: sender, check, wanted, passed_over };
        self.waiting().insert(id.to_owned(), waiting);
        (Place { answers: self, id }, answer)
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offer(&self, message: Message) {
        let payload = message.payload();
        let Ok(head) = Head::find(payload) else { return };
        let id = head.id(payload);
        // Taken out meanwhile, so that others need not wait until it has been looked at.
        let Some(waiting) = self.waiting().remove(id) else { return };
        if !waiting.is_the_request(&message, &head) {
            let Err(reason) = waiting.check(&message, &head) else {
                // Whoever asked may have given up.
                let _ = waiting.answer.send(message);
                return;
            };
            waiting.passed_over.note(&reason);
            self.tell_of(&message, id, &reason);
        }
        let mut all = self.waiting();
        // Whoever gives up first drops the other end, and then looks for this here.
        if !waiting.answer.is_closed() {
            all.insert(id.to_owned(), waiting);
        }
    }

    fn tell_of(&self, message: &Message, id: &str, reason: &str) {
        let Some(suppressed) = self.passed_over.allow() else { return };
        tracing::warn!(
            topic = &*quoted(message.topic()),
            id = &*quoted(id),
            reason = &*quoted(reason),
            suppressed,
            "an answer was passed over; the request goes on waiting"
        );
    }
}

async fn listen(queue: Arc<Queue>, answers: Arc<Answers>) {
    // Also when the runtime goes, and this with it.
    let _nobody_waits = NobodyWaits(&answers);
    while let Some(job) = Messages::next(&queue).await {
        queue.done();
        answers.offer(job.message);
        if let Some(hold) = job.hold {
            hold.release();
        }
    }
}

/// Nobody is answered any more once this is dropped.
struct NobodyWaits<'a>(&'a Answers);

impl Drop for NobodyWaits<'_> {
    fn drop(&mut self) {
        self.0.waiting().clear();
    }
}
