use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;
use tokio::sync::Notify;

use super::attention::Attention;

/// The attention that all handlers share, and the watch on how long it lasts.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    attention: Arc<Mutex<Attention>>,
    changed: Arc<Notify>,
}

impl Watch {
    pub(super) fn new(attention: Attention) -> Self {
        Self { attention: Arc::new(Mutex::new(attention)), changed: Arc::default() }
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Attention) -> T) -> T {
        let outcome = change(&mut self.attention());
        self.changed.notify_one();
        outcome
    }

    /// Tells each time that nothing was said in time, until the client stops.
    pub(super) async fn tell_of_silence(self, client: Client) -> tars_mqtt::Result<()> {
        let mut state = client.state();
        loop {
            let deadline = self.attention().deadline();
            let silence = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = silence => {}
                _ = state.wait_for(|state| *state == ConnectionState::Stopped) => return Ok(()),
            }
            let (control, _, event) = self.attention().expire(Instant::now());
            if let Some(control) = control {
                client.publish(&control).await?;
            }
            if let Some(event) = event {
                client.publish(&event).await?;
            }
        }
    }

    fn attention(&self) -> MutexGuard<'_, Attention> {
        self.attention.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
