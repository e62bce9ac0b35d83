use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::client::{Client, Service};
use crate::delivery::Queue;
use crate::error::{Error, Result};
use crate::session::Command;
use crate::task::BoxFuture;

/// How a service ends in order, whoever says so: its handle, its client, or one of its handlers.
pub(super) struct Ending {
    queues: Vec<Arc<Queue>>,
    stopping: watch::Sender<bool>,
    /// Those that have not ended. Held while they are waited for.
    workers: Mutex<Vec<JoinHandle<()>>>,
    /// The connections of handlers that have one of their own.
    isolated: Vec<Client>,
}

impl Ending {
    pub(super) fn new(
        queues: Vec<Arc<Queue>>,
        stopping: watch::Sender<bool>,
        workers: Vec<JoinHandle<()>>,
        isolated: Vec<Client>,
    ) -> Self {
        Self { queues, stopping, workers: Mutex::new(workers), isolated }
    }

    /// Waits until the handlers are done with all that lies in their queues.
    #[cfg(feature = "testing")]
    pub(super) async fn idle(&self) {
        for queue in &self.queues {
            queue.idle().await;
        }
    }

    /// Takes no more messages.
    fn stop_taking(&self, client: &Client) {
        for client in self.isolated.iter().chain([client]) {
            // A connection that has ended takes nothing any more.
            let _ = client.0.commands.send(Box::new(Command::Quiesce));
        }
        self.stopping.send_replace(true);
        self.queues.iter().for_each(|queue| queue.close());
    }

    /// Where there is no runtime to wait in.
    pub(super) fn at_once(&self, client: &Client) {
        self.stop_taking(client);
        let deadline = client.shutdown_deadline();
        for client in self.isolated.iter().chain([client]) {
            let (done, _) = oneshot::channel();
            let _ = client.0.commands.send(Box::new(Command::Shutdown { deadline, done }));
        }
    }

    /// Lets handlers finish, then the connection, within `MQTT_SHUTDOWN_TIMEOUT`.
    pub(super) async fn finish(&self, client: &Client) -> Result<()> {
        let deadline = client.shutdown_deadline();
        self.stop_taking(client);
        let for_handlers = for_handlers(client, deadline);
        let mut cut_off = 0;
        let mut workers = self.workers.lock().await;
        while let Some(worker) = workers.last_mut() {
            match timeout_at(for_handlers, &mut *worker).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("a handler's task ended early: {error}"),
                Err(_) => {
                    cut_off += 1;
                    worker.abort();
                }
            }
            workers.pop();
        }
        drop(workers);
        if cut_off > 0 {
            tracing::warn!(
                handlers = cut_off,
                "handlers did not finish in time; their messages come again at the next start"
            );
        }
        let outcome = client.end(deadline).await;
        // What their messages were answered with is with the broker now, so that they can be
        // acknowledged.
        for isolated in &self.isolated {
            if let Err(error) = isolated.end(deadline).await {
                tracing::warn!(%error, "the connection of an isolated handler did not end in order");
            }
        }
        outcome
    }

    /// Ends the service for one of its clients.
    ///
    /// A handler that asks for it is not waited for by itself: its message is to be done with, or
    /// it would come again with every start, and end that too.
    async fn asked_by(self: Arc<Self>, client: Client) -> Result<()> {
        if Handle::try_current().is_err() {
            self.stop_taking(&client);
            return client.end(client.shutdown_deadline()).await;
        }
        let deadline = client.shutdown_deadline();
        let ended = self.in_background(client.clone());
        if client.wake().is_polling() {
            return Ok(());
        }
        // Whoever waits here may be what a handler waits for, in a task of its own. That handler
        // still has time to finish then.
        let patience = deadline - client.config().shutdown_limit() / 2;
        let outcome = timeout_at(patience, ended).await;
        outcome.map_or(Err(Error::Timeout(client.config().shutdown_limit() / 2)), |ended| {
            ended.unwrap_or(Ok(()))
        })
    }

    /// Ends the service without anybody waiting for it.
    pub(super) fn in_background(self: &Arc<Self>, client: Client) -> oneshot::Receiver<Result<()>> {
        let (done, ended) = oneshot::channel();
        let ending = self.clone();
        self.stop_taking(&client);
        drop(crate::task::spawn(Box::pin(async move {
            let outcome = ending.finish(&client).await;
            // Nobody may wait for it.
            let _ = done.send(outcome);
        })));
        ended
    }
}

impl Service for Ending {
    fn shutdown(self: Arc<Self>, client: Client) -> BoxFuture<Result<()>> {
        Box::pin(self.asked_by(client))
    }
}

/// When handlers have had their time: what is left is for the goodbye.
fn for_handlers(client: &Client, deadline: Instant) -> Instant {
    let limit = client.config().shutdown_limit();
    deadline - (limit / 5).min(Duration::from_secs(1))
}
