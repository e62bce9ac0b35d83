use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use crate::sync::{AtomicBool, Mutex, Notify, thread_local};
use crate::task::BoxFuture;

/// Wakes the connection's task: there is something to acknowledge or to send.
///
/// A handler that wakes it and then blocks its thread must not keep it from running, but tokio puts
/// a task woken on a worker thread where no other thread can take it. So what a handler wakes is
/// remembered, and woken when the handler gives its thread back, waits for something of the
/// connection, or has blocked its thread for a while: a thread of the service's own looks after that.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    notify: Notify,
    /// Some handler has woken it in vain, so far.
    owed: AtomicBool,
    /// The first connection of the same service: its handlers hold this one back too.
    first: OnceLock<Arc<Wake>>,
    /// Of the first connection: the others.
    others: Mutex<Vec<Weak<Wake>>>,
    has_others: AtomicBool,
}

thread_local! {
    /// The connection whose handlers a task on this thread calls, and whether to wake it after.
    static POLLING: Cell<(usize, bool)> = const { Cell::new((0, false)) };
}

impl Wake {
    /// What all connections of a service have in common.
    fn key(&self) -> usize {
        let first = self.first.get().map_or(self, |first| first);
        std::ptr::from_ref(first).addr()
    }

    /// Makes this one of another connection of the same service.
    pub(crate) fn join(self: &Arc<Self>, first: &Arc<Self>) {
        if self.first.set(first.clone()).is_ok() {
            let mut others = first.others.lock().unwrap_or_else(PoisonError::into_inner);
            others.push(Arc::downgrade(self));
            first.has_others.store(true, Ordering::Release);
        }
    }

    fn wake_others(&self) {
        if !self.has_others.load(Ordering::Acquire) {
            return;
        }
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        for other in others.iter().filter_map(Weak::upgrade) {
            if other.owed.swap(false, Ordering::Acquire) {
                other.notify.notify_one();
            }
        }
    }

    pub(crate) fn wake(&self) {
        let (polling, _) = POLLING.get();
        if polling == self.key() {
            POLLING.set((polling, true));
            // Also where it is set: whoever takes it back has to see what this handler has done, and a
            // load may show what was taken back long ago.
            self.owed.swap(true, Ordering::Release);
        } else {
            self.notify.notify_one();
        }
    }

    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    /// Whether what runs on this thread is a handler of this connection.
    pub(crate) fn is_polling(&self) -> bool {
        POLLING.get().0 == self.key()
    }

    /// Whether what runs on this thread has asked for it to be woken.
    pub(crate) fn is_owed(&self) -> bool {
        POLLING.get() == (self.key(), true)
    }

    pub(crate) fn wake_if_owed(&self) {
        if self.is_owed() {
            POLLING.set((self.key(), false));
            // Another handler may have set it, for which the connection is woken with this.
            self.owed.swap(false, Ordering::Acquire);
            self.notify.notify_one();
            self.wake_others();
        }
    }

    /// As [`wake_if_owed`](Self::wake_if_owed), for whatever handlers on other threads have asked
    /// for. Returns whether there was something.
    pub(crate) fn wake_for_others(&self) -> bool {
        let owed = self.owed.swap(false, Ordering::Acquire);
        if owed {
            self.notify.notify_one();
        }
        self.wake_others();
        owed
    }

    /// Runs a task that calls handlers.
    pub(crate) async fn holding_back(&self, mut task: BoxFuture<()>) {
        std::future::poll_fn(|context| {
            let outer = POLLING.replace((self.key(), false));
            // Also when the task panics.
            let _end = End { wake: self, outer };
            task.as_mut().poll(context)
        })
        .await;
    }
}

/// What is due when the task gives its thread back.
struct End<'w> {
    wake: &'w Wake,
    outer: (usize, bool),
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.wake.wake_if_owed();
        POLLING.set(self.outer);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use super::*;

    fn is_woken(wake: &Wake) -> bool {
        let mut woken = Box::pin(wake.woken());
        woken.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_handler_holds_back_every_connection_of_its_service_until_it_waits() {
        let (first, second) = (Arc::<Wake>::default(), Arc::<Wake>::default());
        second.join(&first);
        let (ours, theirs) = (first.clone(), second.clone());
        let task: BoxFuture<()> = Box::pin(async move {
            theirs.wake();
            assert!(!is_woken(&theirs) && !is_woken(&ours));
        });
        let mut polled = Box::pin(first.holding_back(task));
        assert!(polled.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert!(is_woken(&first) && is_woken(&second));
        assert!(!is_woken(&second));
        second.wake();
        assert!(is_woken(&second), "outside of handlers nothing is held back");
    }
}
