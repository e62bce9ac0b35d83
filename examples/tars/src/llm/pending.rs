//! Who waits for what, by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Waits for values that come by their ids. Cheap to clone; all clones share it.
#[derive(Debug)]
pub(super) struct Pending<T>(Arc<Mutex<HashMap<String, oneshot::Sender<T>>>>);

/// A wait for a value. When it is dropped, nobody waits any more.
#[derive(Debug)]
pub(super) struct Wait<T> {
    id: String,
    value: oneshot::Receiver<T>,
    pending: Pending<T>,
}

impl<T> Pending<T> {
    /// Begins to wait: a value that comes from now on is not missed.
    pub(super) fn expect(&self, id: impl Into<String>) -> Wait<T> {
        let id = id.into();
        let (sender, value) = oneshot::channel();
        self.lock().insert(id.clone(), sender);
        Wait { id, value, pending: self.clone() }
    }

    /// Hands a value to who waits for it. Without anybody it is dropped.
    pub(super) fn resolve(&self, id: &str, value: T) {
        if let Some(waiting) = self.lock().remove(id) {
            // It may have given up in this moment.
            let _ = waiting.send(value);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Wait<T> {
    /// The value. Never, once another waits under the same id.
    pub(super) async fn value(&mut self) -> T {
        match (&mut self.value).await {
            Ok(value) => value,
            Err(_) => std::future::pending().await,
        }
    }
}

impl<T> Drop for Wait<T> {
    fn drop(&mut self) {
        self.value.close();
        let mut waiting = self.pending.lock();
        if waiting.get(&self.id).is_some_and(oneshot::Sender::is_closed) {
            waiting.remove(&self.id);
        }
    }
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Pending<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_comes_to_who_waits_for_its_id() {
        let pending = Pending::default();
        let (mut first, mut second) = (pending.expect("a"), pending.expect("b"));
        pending.resolve("b", 2);
        pending.resolve("a", 1);
        pending.resolve("nobody", 3);
        assert_eq!((first.value().await, second.value().await), (1, 2));
    }

    #[tokio::test]
    async fn who_has_given_up_is_forgotten_and_takes_nothing_from_others() {
        let pending = Pending::default();
        drop(pending.expect("a"));
        assert!(pending.lock().is_empty());
        let earlier = pending.expect("a");
        let mut later = pending.expect("a");
        drop(earlier);
        pending.resolve("a", 1);
        assert_eq!(later.value().await, 1);
    }
}
