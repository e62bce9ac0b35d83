use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::OnReady;
use super::ending::Ending;
use super::lifeline::Lifeline;
use crate::client::Client;
use crate::error::{BoxError, Error, Result};
use crate::panics::caught_to_the_end;
use crate::session::ConnectionState;

/// A service that runs. Made by [`App::start`](super::App::start).
///
/// Dropping it stops the service without waiting.
#[must_use = "dropping it stops the service"]
pub struct Running(Option<Service>);

/// All that a running service consists of.
pub(super) struct Service {
    pub(super) client: Client,
    pub(super) ending: Arc<Ending>,
    /// How the first connections go, the service's own last.
    pub(super) starting: Vec<oneshot::Receiver<Result<()>>>,
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

    /// Waits until the handlers are done with all that has come, or the service has stopped.
    #[cfg(feature = "testing")]
    pub(crate) async fn idle(&self) {
        let Some(service) = &self.0 else { return };
        let mut state = service.client.state();
        tokio::select! {
            () = service.ending.idle() => {}
            _ = state.wait_for(|state| *state == ConnectionState::Stopped) => {}
        }
    }

    /// Waits until the broker has acknowledged every subscription, and does what is to be done
    /// then.
    pub(super) async fn ready(&mut self) -> Result<()> {
        let Some(service) = &mut self.0 else { return Ok(()) };
        while let Some(first) = service.starting.first_mut() {
            let outcome = first.await.unwrap_or(Err(Error::Stopped));
            service.starting.remove(0);
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
    /// then stays unacknowledged and comes again at the next start. To a handler of the service this
    /// returns at once.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`] when messages had to be left unsent.
    pub async fn stop(mut self) -> Result<()> {
        let Some(service) = self.0.take() else { return Ok(()) };
        let is_handler = service.client.wake().is_polling();
        let (done, stopped) = oneshot::channel();
        // In a task of its own: whoever gives up waiting must not leave a service behind that has
        // stopped to take messages and stays connected.
        drop(crate::task::spawn(Box::pin(async move {
            let outcome = service.stop().await;
            if let Err(Err(error)) = done.send(outcome) {
                tracing::warn!(%error, "the service did not stop in order");
            }
        })));
        // A handler that says so is not waited for by itself.
        if is_handler {
            return Ok(());
        }
        stopped.await.unwrap_or(Err(Error::Stopped))
    }
}

impl Service {
    async fn stop(self) -> Result<()> {
        let begun = Instant::now();
        let outcome = self.ending.finish(&self.client).await;
        #[cfg(feature = "embedded-broker")]
        if let Some(broker) = self.broker {
            broker.stop().await?;
        }
        tracing::info!("stopped after {:?}", begun.elapsed());
        outcome
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(service) = &self.0 else { return };
        if Handle::try_current().is_ok() {
            drop(service.ending.in_background(service.client.clone()));
        } else {
            service.ending.at_once(&service.client);
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Running").field(&self.0.as_ref().map(|service| &service.client)).finish()
    }
}
