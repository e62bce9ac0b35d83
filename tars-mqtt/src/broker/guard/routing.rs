//! What each message costs before it is routed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mqtt5::broker::{
    BrokerEventHandler, ClientDisconnectEvent, ClientPublishEvent, PublishAction, RetainedSetEvent,
    StorageBackend,
};
use mqtt5::validation::{parse_shared_subscription, topic_matches_filter};

use super::{Guard, lock};
use crate::broker::connection::Connection;
use crate::broker::limits::OVERHEAD;
use crate::log::quoted;

impl Guard {
    async fn before_routing(&self, topic: &str, size: usize) {
        if self.totals.slow.load(Ordering::Relaxed) > 0 {
            self.count_for_slow_clients(topic, size).await;
        }
        let released = self.totals.released.swap(0, Ordering::Relaxed);
        lock(&self.backlog).expect(size, released);
        let (full, queued) = self.count_queues();
        if full && let Some(suppressed) = self.trouble.allow() {
            tracing::warn!(suppressed, "a session's queue is full: its oldest messages go");
        }
        self.relieve(queued).await;
    }

    fn count_queues(&self) -> (bool, usize) {
        lock(&self.backlog).count(self.limits.queued_messages, self.limits.queued_bytes)
    }

    /// Adds the message to what is due to those who do not keep up, and closes the connection of
    /// those who are due too much.
    async fn count_for_slow_clients(&self, topic: &str, size: usize) {
        let slow: Vec<Arc<Connection>> =
            lock(&self.connections).values().filter(|one| one.is_slow()).cloned().collect();
        for connection in slow {
            let filters = match connection.filters() {
                Some(filters) => filters,
                None => {
                    let filters = self.filters(&connection).await;
                    connection.set_filters(Arc::clone(&filters));
                    filters
                }
            };
            let copies = filters.iter().filter(|filter| topic_matches_filter(topic, filter));
            let due = connection.add_due(copies.count() * size);
            if due > self.limits.queued_bytes {
                connection.close("it does not read what it is sent");
            }
        }
    }

    async fn filters(&self, connection: &Connection) -> Arc<[String]> {
        let client = connection.client().unwrap_or_default();
        let session = self.storage.get_session(&client).await.ok().flatten();
        let filters = session.into_iter().flat_map(|session| session.subscriptions.into_keys());
        filters.map(|filter| parse_shared_subscription(&filter).0.to_owned()).collect()
    }

    /// While the broker holds too much, gives up what is held for the client for which it holds
    /// most: the older half of its queue, or its connection.
    async fn relieve(&self, mut queued: usize) {
        while queued + self.totals.held.load(Ordering::Relaxed) > self.limits.held_bytes {
            let queue = lock(&self.backlog).heaviest();
            let connection = self.heaviest();
            let (_, held) = connection.as_ref().map_or((None, 0), |(one, held)| (Some(one), *held));
            match (queue, connection) {
                (Some((client, handle, bytes)), _) if bytes > 0 && bytes >= held => {
                    let gone = handle.take(handle.count().div_ceil(2)).await.len();
                    handle.finish_drain();
                    if let Some(suppressed) = self.trouble.allow() {
                        let client = quoted(&client);
                        tracing::warn!(%client, gone, suppressed, "too much is held; \
                            the older half of the longest queue goes");
                    }
                    let before = std::mem::replace(&mut queued, self.count_queues().1);
                    if queued >= before {
                        // Nothing of it can be given up now.
                        break;
                    }
                }
                (_, Some((connection, held))) if held > 0 => {
                    connection.close("the broker holds too much, and most of it for this client");
                }
                // What is left was counted for a connection that is ending.
                _ => break,
            }
        }
    }
}

impl BrokerEventHandler for Guard {
    fn on_client_publish<'a>(
        &'a self,
        event: ClientPublishEvent,
    ) -> Pin<Box<dyn Future<Output = PublishAction> + Send + 'a>> {
        Box::pin(async move {
            let size = event.payload.len() + event.topic.len() + OVERHEAD;
            self.before_routing(&event.topic, size).await;
            PublishAction::Continue
        })
    }

    fn on_client_disconnect<'a>(
        &'a self,
        event: ClientDisconnectEvent,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if matches!(self.storage.get_session(&event.client_id).await, Ok(None)) {
                lock(&self.backlog).remove(&event.client_id);
            }
        })
    }

    fn on_retained_set<'a>(
        &'a self,
        event: RetainedSetEvent,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        if event.cleared {
            lock(&self.retained).clear(&event.topic);
        } else if !event.topic.starts_with("$SYS/") {
            lock(&self.retained).set(&event.topic, event.payload.len());
        }
        Box::pin(std::future::ready(()))
    }
}
