use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::OnReady;
use super::lifeline::Lifeline;
use crate::client::Client;
use crate::connection::{Command, ConnectionState};
use crate::delivery::Queue;
use crate::error::BoxError;
use crate::panics::caught_to_the_end;
use crate::{Error, Result};

/// A service that runs. Made by [`App::start`](super::App::start).
///
/// Dropping it stops the service without waiting.
#[must_use = "dropping it stops the service"]
pub struct Running(Option<Service>);

/// All that a running service consists of.
pub(super) struct Service {
    pub(super) client: Client,
    pub(super) workers: Vec<JoinHandle<()>>,
    pub(super) queues: Vec<Arc<Queue>>,
    pub(super) stopping: watch::Sender<bool>,
    pub(super) started: Option<oneshot::Receiver<Result<()>>>,
    /// Behind a lock only so that a running service can be shared between threads.
    pub(super) on_ready: Mutex<Vec<OnReady>>,
    pub(super) _lifeline: Lifeline,
    #[cfg(feature = "embedded-broker")]
    pub(super) broker: Option<crate::broker::EmbeddedBroker>,
}

impl Running {
    pub(super) fn new(service: Service) -> Self {
        Self(Some(service))
    }

    /// The client that the service's handlers use.
    ///
    /// # Panics
    ///
    /// Never: only [`stop`](Self::stop) ends the service, and takes this with it.
    #[must_use]
    pub fn client(&self) -> Client {
        match &self.0 {
            Some(service) => service.client.clone(),
            None => unreachable!("only `stop` takes the service"),
        }
    }

    /// Waits until the broker has acknowledged every subscription, and does what is to be done
    /// then.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let Some(service) = &mut self.0 else { return Ok(()) };
        if let Some(started) = &mut service.started {
            let outcome = started.await.unwrap_or(Err(Error::Stopped));
            service.started = None;
            outcome?;
        }
        let actions = service.on_ready.get_mut().unwrap_or_else(PoisonError::into_inner);
        for action in std::mem::take(actions) {
            // A panic ends the service in order, like an error.
            let client = service.client.clone();
            let acted = async move { action(client).await };
            let outcome = caught_to_the_end(acted)
                .await
                .unwrap_or_else(|panic| Err(BoxError::from(format!("it panicked: {panic}"))));
            outcome.map_err(Error::OnReady)?;
        }
        Ok(())
    }

    /// Waits until the client has stopped, by whoever's hand.
    pub(super) async fn served(&mut self) -> Result<()> {
        self.ready().await?;
        if let Some(service) = &self.0 {
            let mut state = service.client.state();
            // The sender goes only after it has said that it stopped.
            let _ = state.wait_for(|state| *state == ConnectionState::Stopped).await;
        }
        Ok(())
    }

    /// Stops in order, within `MQTT_SHUTDOWN_TIMEOUT`: takes no more messages, lets handlers
    /// finish, sends what was accepted, publishes health, says goodbye. What is not finished by
    /// then stays unacknowledged and comes again at the next start.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] when messages had to be left unsent.
    pub async fn stop(mut self) -> Result<()> {
        match self.0.take() {
            Some(service) => service.stop().await,
            None => Ok(()),
        }
    }
}

impl Service {
    async fn stop(mut self) -> Result<()> {
        let limit = self.client.config().shutdown_limit();
        let begun = Instant::now();
        let deadline = begun + limit;
        self.stop_taking();
        let for_handlers = deadline - (limit / 5).min(Duration::from_secs(1));
        let mut cut_off = 0;
        for worker in &mut self.workers {
            match timeout_at(for_handlers, &mut *worker).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!("a handler's task ended early: {error}"),
                Err(_) => {
                    cut_off += 1;
                    worker.abort();
                }
            }
        }
        if cut_off > 0 {
            tracing::warn!(
                handlers = cut_off,
                "handlers did not finish in time; their messages come again at the next start"
            );
        }
        let (done, ended) = oneshot::channel();
        let outcome =
            match self.client.0.commands.send(Box::new(Command::Shutdown { deadline, done })) {
                Ok(()) => ended.await.unwrap_or(Ok(())),
                Err(_) => Ok(()),
            };
        #[cfg(feature = "embedded-broker")]
        if let Some(broker) = self.broker.take() {
            broker.stop().await?;
        }
        tracing::info!("stopped after {:?}", begun.elapsed());
        outcome
    }

    fn stop_taking(&self) {
        // A connection that has ended takes nothing any more.
        let _ = self.client.0.commands.send(Box::new(Command::Quiesce));
        self.stopping.send_replace(true);
        self.queues.iter().for_each(|queue| queue.close());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(service) = &self.0 {
            service.stop_taking();
            let deadline = Instant::now() + service.client.config().shutdown_limit();
            let (done, _) = oneshot::channel();
            let _ = service.client.0.commands.send(Box::new(Command::Shutdown { deadline, done }));
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.0.as_ref().map(|service| &service.client)).finish()
    }
}
