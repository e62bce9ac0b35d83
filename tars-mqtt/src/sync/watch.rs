//! tokio's `watch` for loom, as far as it is needed: nobody looks at what has changed since.

use std::future::poll_fn;
use std::sync::{Arc, PoisonError};
use std::task::{Poll, Waker};

use loom::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Shared<T>>);

#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

#[derive(Debug)]
struct Shared<T>(Mutex<(T, Vec<Waker>)>);

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, (T, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Copy> Sender<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Shared(Mutex::new((value, Vec::new())))))
    }

    pub(crate) fn subscribe(&self) -> Receiver<T> {
        Receiver(self.0.clone())
    }

    pub(crate) fn send_replace(&self, value: T) {
        let woken = {
            let mut shared = self.0.lock();
            shared.0 = value;
            std::mem::take(&mut shared.1)
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl<T: Copy> Receiver<T> {
    pub(crate) async fn wait_for(&mut self, mut wanted: impl FnMut(&T) -> bool) -> T {
        poll_fn(|context| {
            let mut shared = self.0.lock();
            if wanted(&shared.0) {
                return Poll::Ready(shared.0);
            }
            shared.1.push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
