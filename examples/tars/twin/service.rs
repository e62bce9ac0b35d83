//! What is done with each message.

use std::time::Duration;

use serde::Serialize;
use tars::contracts::{
    CharacterGetRequest, CharacterUpdate, FinalTranscript, MemoryQuery, Role, TtsSay,
};
use tars::memory::{Change, Store};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Delivery};
use crate::duplicates::Duplicates;
use crate::envelope::Envelope;

/// What is subscribed to.
pub(crate) const TOPICS: [&str; 5] =
    ["stt/final", "tts/say", "memory/query", "character/update", "character/get"];

const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 1000;
const SHORTEST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Handles messages, one after the other and so acknowledged in order.
pub(crate) struct Service {
    pub(crate) connection: Connection,
    pub(crate) store: Store,
    pub(crate) source: String,
    pub(crate) duplicates: Duplicates,
}

/// What a message is answered with.
struct Reply {
    topic: &'static str,
    event_type: &'static str,
    payload: Vec<u8>,
    retain: bool,
}

/// Why a message was not handled.
enum Failure {
    /// It is wrong, and will not get better.
    Refused(anyhow::Error),
    /// It may work later.
    Failed(anyhow::Error),
}

impl Service {
    /// Ends when it is told to, after the message that it is at.
    pub(crate) async fn run(
        mut self,
        mut deliveries: mpsc::UnboundedReceiver<Delivery>,
        mut stop: oneshot::Receiver<()>,
    ) {
        loop {
            let delivery = tokio::select! {
                biased;
                _ = &mut stop => return,
                delivery = deliveries.recv() => delivery,
            };
            let Some(delivery) = delivery else { return };
            self.deliver(&delivery).await;
            // Wrong messages too: they would come again for ever.
            self.connection.acknowledge(&delivery);
        }
    }

    async fn deliver(&mut self, delivery: &Delivery) {
        let topic = &*delivery.publish.topic;
        let event_type = topic.replace('/', ".");
        let accept_bare = topic == "memory/query";
        let envelope = match Envelope::open(&delivery.publish.payload, &event_type, accept_bare) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::error!(topic, "refused: {error:#}");
                return;
            }
        };
        let key = envelope.key();
        if self.duplicates.contains(&key) {
            tracing::debug!(topic, envelope.id, "a duplicate");
            return;
        }
        let mut backoff = SHORTEST_BACKOFF;
        for attempt in 0..=RETRIES {
            let handled = timeout(HANDLER_TIMEOUT, self.handle(topic, &envelope)).await;
            let timed_out = || Failure::Failed(anyhow::anyhow!("took longer than 30 s"));
            match handled.unwrap_or_else(|_| Err(timed_out())) {
                Ok(reply) => {
                    if let Some(Reply { topic, payload, retain, event_type }) = reply
                        && let Err(error) = self.connection.publish(topic, payload, retain).await
                    {
                        tracing::error!(event_type, "the reply was not published: {error:#}");
                        return;
                    }
                    self.duplicates.insert(key);
                    return;
                }
                Err(Failure::Refused(error)) => {
                    tracing::error!(topic, envelope.id, "refused: {error:#}");
                    return;
                }
                Err(Failure::Failed(error)) => {
                    tracing::error!(topic, envelope.id, attempt, "failed: {error:#}");
                    sleep(backoff.mul_f64(fastrand::f64())).await;
                    backoff = (backoff * 2).min(LONGEST_BACKOFF);
                }
            }
        }
    }

    async fn handle(&self, topic: &str, envelope: &Envelope) -> Result<Option<Reply>, Failure> {
        let store = &self.store;
        match topic {
            "stt/final" => {
                let heard: FinalTranscript = envelope.event().map_err(Failure::Refused)?;
                let stored = store.remember(Role::User, &envelope.id, heard.text, heard.utt_id);
                stored.await.map_err(Failure::Failed)?;
                Ok(None)
            }
            "tts/say" => {
                let said: TtsSay = envelope.event().map_err(Failure::Refused)?;
                let stored = store.remember(Role::Assistant, &envelope.id, said.text, said.utt_id);
                stored.await.map_err(Failure::Failed)?;
                Ok(None)
            }
            "memory/query" => {
                let query: MemoryQuery = envelope.event().map_err(Failure::Refused)?;
                let results = store.recall(query).await.map_err(Failure::Failed)?;
                self.reply("memory/results", "memory.results", envelope, &results, false)
            }
            "character/update" => {
                let update: CharacterUpdate = envelope.event().map_err(Failure::Refused)?;
                let change = Change::try_from(update).map_err(Failure::Refused)?;
                let current = store.change(change).await.map_err(Failure::Failed)?;
                let topic = "system/character/current";
                self.reply(topic, "system.character.current", envelope, &current, true)
            }
            "character/get" => {
                let request: CharacterGetRequest = envelope.event().map_err(Failure::Refused)?;
                let section = store.section(request.section).await.map_err(Failure::Failed)?;
                self.reply("character/result", "character.result", envelope, &section, false)
            }
            other => Err(Failure::Refused(anyhow::anyhow!("nobody handles {other}"))),
        }
    }

    fn reply(
        &self,
        topic: &'static str,
        event_type: &'static str,
        to: &Envelope,
        event: &impl Serialize,
        retain: bool,
    ) -> Result<Option<Reply>, Failure> {
        let payload = Envelope::seal(event_type, &to.id, &self.source, event);
        let payload = payload.map_err(Failure::Refused)?;
        Ok(Some(Reply { topic, event_type, payload, retain }))
    }
}
