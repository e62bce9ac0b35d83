use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use super::Failure;
use super::told::Told;
use crate::panics::caught;

/// What a call of a handler is, whatever the handler. All of it is the program's own code: each
/// step, and what is dropped with it, may panic.
pub(super) trait Call: Send {
    /// Goes on with it.
    fn step(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), Failure>>;

    /// Drops it.
    fn end(self: Pin<&mut Self>);
}

impl<F: Future<Output = Result<(), Failure>> + Send> Call for Option<F> {
    fn step(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        match self.as_pin_mut() {
            Some(call) => call.poll(task),
            None => Poll::Pending,
        }
    }

    fn end(mut self: Pin<&mut Self>) {
        self.set(None);
    }
}

/// Runs a call, at most as long as allowed, and drops it, whatever it does.
pub(super) async fn run(mut call: Pin<&mut dyn Call>, limit: Option<Duration>) -> Result<(), Told> {
    // Set when the handler first has to wait: most are done at once, and a timer has its price.
    let mut timer = pin!(None);
    let outcome = std::future::poll_fn(|task| {
        match caught(|| call.as_mut().step(task)) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(Ok(()))) => return Poll::Ready(Ok(())),
            Ok(Poll::Ready(Err(failure))) => return Poll::Ready(Err(Told::of(failure))),
            Err(panic) => return Poll::Ready(Err(Told::of(Failure::Panicked(panic)))),
        }
        let Some(limit) = limit else { return Poll::Pending };
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(limit)));
        }
        let late = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(task).is_ready());
        if late { Poll::Ready(Err(Told::of(Failure::TimedOut(limit)))) } else { Poll::Pending }
    })
    .await;
    // A handler that panicked is never polled again, so nothing sees its state.
    let Err(panic) = caught(|| call.end()) else { return outcome };
    Err(match outcome {
        Ok(()) => Told::of(Failure::Panicked(panic)),
        Err(told) => told.with_panic(&panic),
    })
}
