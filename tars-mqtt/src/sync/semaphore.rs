//! tokio's `Semaphore` for loom: fair, and what comes free is collected for whoever waits longest.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use loom::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(crate) struct Semaphore {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    permits: usize,
    is_closed: bool,
    waiting: VecDeque<Waiter>,
    last_id: usize,
}

#[derive(Debug)]
struct Waiter {
    id: usize,
    lacks: usize,
    waker: Waker,
}

#[derive(Debug)]
pub(crate) struct Unavailable;

impl State {
    /// Gives what is free to those that wait. Returns whom to wake.
    fn hand_out(&mut self) -> Vec<Waker> {
        let mut woken = Vec::new();
        while let Some(first) = self.waiting.front_mut() {
            let part = first.lacks.min(self.permits);
            self.permits -= part;
            first.lacks -= part;
            if first.lacks > 0 {
                break;
            }
            woken.extend(self.waiting.pop_front().map(|first| first.waker));
        }
        woken
    }
}

impl Semaphore {
    pub(crate) fn new(permits: usize) -> Self {
        let state = State { permits, is_closed: false, waiting: VecDeque::new(), last_id: 0 };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    pub(crate) fn available_permits(&self) -> usize {
        self.state().permits
    }

    pub(crate) fn close(&self) {
        let woken = {
            let mut state = self.state();
            state.is_closed = true;
            std::mem::take(&mut state.waiting)
        };
        for waiter in woken {
            waiter.waker.wake();
        }
    }

    pub(crate) fn add_permits(&self, count: usize) {
        let woken = {
            let mut state = self.state();
            state.permits += count;
            state.hand_out()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn try_acquire_many(&self, count: u32) -> Result<SemaphorePermit<'_>, Unavailable> {
        let count = count as usize;
        let mut state = self.state();
        if state.is_closed || state.permits < count {
            return Err(Unavailable);
        }
        state.permits -= count;
        Ok(SemaphorePermit { semaphore: self, count })
    }

    pub(crate) fn acquire_many(&self, count: u32) -> Acquire<'_> {
        Acquire { semaphore: self, count: count as usize, id: None }
    }
}

#[derive(Debug)]
pub(crate) struct SemaphorePermit<'s> {
    semaphore: &'s Semaphore,
    count: usize,
}

impl SemaphorePermit<'_> {
    pub(crate) fn forget(mut self) {
        self.count = 0;
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        if self.count > 0 {
            self.semaphore.add_permits(self.count);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Acquire<'s> {
    semaphore: &'s Semaphore,
    count: usize,
    /// Among those that wait.
    id: Option<usize>,
}

impl<'s> Future for Acquire<'s> {
    type Output = Result<SemaphorePermit<'s>, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (semaphore, count) = (self.semaphore, self.count);
        let mut state = semaphore.state();
        if let Some(id) = self.id {
            if let Some(waiter) = state.waiting.iter_mut().find(|waiter| waiter.id == id) {
                waiter.waker.clone_from(context.waker());
                return Poll::Pending;
            }
            self.id = None;
            if state.is_closed {
                return Poll::Ready(Err(Unavailable));
            }
            return Poll::Ready(Ok(SemaphorePermit { semaphore, count }));
        }
        if state.is_closed {
            return Poll::Ready(Err(Unavailable));
        }
        let part = state.permits.min(count);
        state.permits -= part;
        if part == count {
            return Poll::Ready(Ok(SemaphorePermit { semaphore, count }));
        }
        state.last_id += 1;
        let id = state.last_id;
        state.waiting.push_back(Waiter { id, lacks: count - part, waker: context.waker().clone() });
        self.id = Some(id);
        Poll::Pending
    }
}

impl Drop for Acquire<'_> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let woken = {
            let mut state = self.semaphore.state();
            let lacks = state.waiting.iter().find(|waiter| waiter.id == id).map(|it| it.lacks);
            state.waiting.retain(|waiter| waiter.id != id);
            // One that is no longer in the row has all that it asked for, unless all was closed.
            if !state.is_closed {
                state.permits += self.count - lacks.unwrap_or(0);
            }
            state.hand_out()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}
