use std::sync::Arc;
use std::time::Instant;

use tars_mqtt::BoxError;
use tars_mqtt::prelude::*;
use tars_mqtt::reply::IntoReplies;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::brain::{Brain, Decision};
use super::clock::Clock;
use super::settings::Settings;

/// The brain, which all handlers share.
#[derive(Clone, Debug)]
pub(super) struct Router {
    brain: Arc<Mutex<Brain>>,
    clock: Clock,
}

/// What a handler decided. Until it is on its way no other handler decides anything, so that what is
/// said comes in the order in which it was thought of.
pub(super) struct Turn {
    decisions: Vec<Decision>,
    _brain: OwnedMutexGuard<Brain>,
}

impl Router {
    pub(super) fn new(settings: Settings, clock: Clock) -> Self {
        Self { brain: Arc::new(Mutex::new(Brain::new(settings))), clock }
    }

    /// Lets the brain decide.
    pub(super) async fn turn<D: IntoIterator<Item = Decision>>(
        &self,
        decide: impl FnOnce(&mut Brain, Instant) -> D,
    ) -> Turn {
        let mut brain = self.brain.clone().lock_owned().await;
        let decisions = decide(&mut brain, self.clock.now()).into_iter().collect();
        Turn { decisions, _brain: brain }
    }

    /// Lets the brain take note.
    pub(super) async fn note(&self, take: impl FnOnce(&mut Brain, Instant)) {
        take(&mut *self.brain.lock().await, self.clock.now());
    }
}

impl IntoReplies for Turn {
    async fn into_replies(self, context: &Context) -> Result<(), BoxError> {
        for decision in self.decisions {
            match decision {
                Decision::Say(say) => say.into_replies(context).await?,
                Decision::Ask(request) => request.into_replies(context).await?,
                Decision::Move(request) => request.into_replies(context).await?,
            }
        }
        Ok(())
    }
}
