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
    let outcome = limited(call.as_mut(), limit).await;
    let outcome = outcome.map_err(Told::of);
    // A handler that panicked is never polled again, so nothing sees its state.
    match (outcome, caught(|| call.end())) {
        (outcome, Ok(())) => outcome,
        (Ok(()), Err(panic)) => Err(Told::of(Failure::Panicked(panic))),
        (Err(told), Err(panic)) => Err(told.with_panic(&panic)),
    }
}

async fn limited(mut call: Pin<&mut dyn Call>, limit: Option<Duration>) -> Result<(), Failure> {
    // Set when the handler first has to wait: most are done at once, and a timer has its price.
    let mut timer = pin!(None);
    std::future::poll_fn(|task| {
        let step = caught(|| call.as_mut().step(task));
        match step.unwrap_or_else(|panic| Poll::Ready(Err(Failure::Panicked(panic)))) {
            Poll::Ready(outcome) => return Poll::Ready(outcome),
            Poll::Pending => {}
        }
        let Some(limit) = limit else { return Poll::Pending };
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(limit)));
        }
        let late = timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(task).is_ready());
        if late { Poll::Ready(Err(Failure::TimedOut(limit))) } else { Poll::Pending }
    })
    .await
}
