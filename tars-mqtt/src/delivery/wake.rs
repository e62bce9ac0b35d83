use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use tokio::sync::Notify;

/// Wakes the connection's task: there is something to acknowledge or to send.
///
/// A handler that wakes it and then blocks its thread must not keep it from running, but tokio puts
/// a task woken on a worker thread where no other thread can take it. So what a handler wakes is
/// remembered, and woken when the handler gives its thread back.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    notify: Notify,
}

thread_local! {
    /// The connection whose handler is being polled on this thread, and whether to wake it after.
    static POLLING: Cell<(usize, bool)> = const { Cell::new((0, false)) };
}

impl Wake {
    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    pub(crate) fn wake(&self) {
        let (polling, _) = POLLING.get();
        if polling == self.key() {
            POLLING.set((polling, true));
        } else {
            self.notify.notify_one();
        }
    }

    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Runs a handler. Returns with its output whether a wake-up is still owed.
    pub(crate) async fn holding_back<F: Future>(&self, handler: F) -> (F::Output, bool) {
        let mut handler = pin!(handler);
        std::future::poll_fn(|context| {
            let outer = POLLING.replace((self.key(), false));
            // Restored also when the handler panics.
            let restore = Restore(outer);
            let poll = handler.as_mut().poll(context);
            let (_, owed) = POLLING.get();
            drop(restore);
            match poll {
                Poll::Ready(output) => Poll::Ready((output, owed)),
                Poll::Pending => {
                    if owed {
                        self.notify.notify_one();
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}

struct Restore((usize, bool));

impl Drop for Restore {
    fn drop(&mut self) {
        POLLING.set(self.0);
    }
}
