//! tokio's `Notify` for loom.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use loom::sync::{Mutex, MutexGuard};

/// Promises what tokio's does and no more: one permit however often it is told with nobody waiting,
/// and a wake-up of all only for those that have begun to wait.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    has_permit: bool,
    /// How often all were woken.
    calls: usize,
    waiting: VecDeque<(usize, Waker)>,
    /// Those whom a single wake-up was given, until they look.
    told: Vec<usize>,
    last_id: usize,
}

impl State {
    /// Returns whom to wake.
    fn notify_one(&mut self) -> Option<Waker> {
        let Some((id, waker)) = self.waiting.pop_front() else {
            self.has_permit = true;
            return None;
        };
        self.told.push(id);
        Some(waker)
    }
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify_one(&self) {
        let woken = self.state().notify_one();
        if let Some(waker) = woken {
            waker.wake();
        }
    }

    pub(crate) fn notify_waiters(&self) {
        let woken = {
            let mut state = self.state();
            state.calls += 1;
            std::mem::take(&mut state.waiting)
        };
        for (_, waker) in woken {
            waker.wake();
        }
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified { notify: self, calls: self.state().calls, id: None }
    }
}

#[derive(Debug)]
pub(crate) struct Notified<'n> {
    notify: &'n Notify,
    calls: usize,
    /// Among those that wait.
    id: Option<usize>,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let notify = self.notify;
        let mut state = notify.state();
        if let Some(id) = self.id {
            if let Some(place) = state.waiting.iter_mut().find(|(other, _)| *other == id) {
                place.1.clone_from(context.waker());
                return Poll::Pending;
            }
            state.told.retain(|told| *told != id);
            self.id = None;
            return Poll::Ready(());
        }
        if state.calls != self.calls || std::mem::take(&mut state.has_permit) {
            return Poll::Ready(());
        }
        state.last_id += 1;
        let id = state.last_id;
        state.waiting.push_back((id, context.waker().clone()));
        self.id = Some(id);
        Poll::Pending
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let woken = {
            let mut state = self.notify.state();
            state.waiting.retain(|(other, _)| *other != id);
            let told = state.told.len();
            state.told.retain(|told| *told != id);
            // What it was told and did not look at is for another one.
            if state.told.len() < told { state.notify_one() } else { None }
        };
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
