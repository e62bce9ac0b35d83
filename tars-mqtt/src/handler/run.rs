use std::pin::Pin;
use std::sync::Arc;

use tracing::Instrument as _;

use super::Worker;
use super::call::{self, Call};
use super::told::Told;
use crate::backoff;
use crate::delivery::{Dedupe, Hold, Job, Key, Ticket, Verdict};
use crate::extract::Context;
use crate::log::quoted;

/// A message on its way through its handler: filtered, handled, tried again, buried.
///
/// What differs from handler to handler is the call alone, so that the rest is compiled once.
pub(super) struct Run<'w> {
    worker: &'w Worker,
    context: Context,
    hold: Option<Hold>,
    ticket: Option<Arc<Ticket>>,
    seen_as: Option<(&'w Dedupe, Key)>,
    attempt: u32,
}

impl<'w> Run<'w> {
    /// `None` for a duplicate, which is seen to with that.
    pub(super) fn begin(worker: &'w Worker, job: Job) -> Option<Self> {
        let Job { message, mut hold } = job;
        let ticket = hold.as_ref().map(|hold| hold.ticket().clone());
        if message.retain {
            worker.retained.note(message.topic());
        }
        let context = Context::new(message, worker.scope.clone(), ticket.clone());
        let seen_as = worker.dedupe.as_ref().and_then(|dedupe| {
            let head = context.head()?;
            Some((dedupe, dedupe.key(context.message(), head)))
        });
        if let Some((dedupe, key)) = seen_as {
            match dedupe.begin(key, context.message(), hold) {
                Verdict::Run(given_back) => hold = given_back,
                Verdict::Copy => {
                    passed_over(worker, &context);
                    return None;
                }
            }
        }
        Some(Self { worker, context, hold, ticket, seen_as, attempt: 1 })
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// One attempt: a call, at most as long as allowed, whatever it does.
    pub(super) async fn attempt(&self, call: Pin<&mut dyn Call>) -> Result<(), Told> {
        let spec = self.worker.scope.spec;
        let span = tracing::debug_span!(
            target: "tars_mqtt::message",
            "message",
            handler = spec.name,
            topic = tracing::field::Empty,
            id = tracing::field::Empty,
            attempt = self.attempt
        );
        let call = call::run(call, spec.options.timeout);
        if span.is_disabled() {
            call.await
        } else {
            span.record("topic", &*quoted(self.context.topic()));
            span.record("id", &*quoted(self.context.id()));
            call.instrument(span).await
        }
    }

    /// Sees to what came of an attempt. Returns whether another one is due, after the pause before
    /// it.
    pub(super) async fn goes_on_after(&mut self, outcome: Result<(), Told>) -> bool {
        let spec = self.worker.scope.spec;
        match outcome {
            Ok(()) => {
                if let Some((dedupe, key)) = self.seen_as {
                    dedupe.handled(key, self.ticket.as_ref());
                }
            }
            Err(failure) if self.attempt <= spec.options.retry && failure.is_worth_retrying() => {
                let pause = backoff::pause(spec.options.backoff, self.attempt);
                if let Some(suppressed) = self.worker.limits.retries.allow() {
                    tracing::warn!(
                        handler = spec.name,
                        topic = &*quoted(self.context.topic()),
                        id = &*quoted(self.context.id()),
                        attempt = self.attempt,
                        suppressed,
                        "a handler failed and tries again in {pause:?}: {}",
                        quoted(&failure.text)
                    );
                }
                if self.worker.pause(pause).await {
                    self.attempt += 1;
                    self.context.set_attempt(self.attempt);
                    return true;
                }
                // The service stops. Not acknowledged, the message comes again at the next start.
                self.forget();
                return false;
            }
            Err(failure) => {
                self.forget();
                super::failed::see_to(self.worker, &self.context, &failure, self.attempt).await;
            }
        }
        if let Some(hold) = self.hold.take() {
            hold.release();
        }
        false
    }

    /// The message does not count as seen, and its copies may try.
    fn forget(&self) {
        let Some((dedupe, key)) = self.seen_as else { return };
        for copy in dedupe.failed(key) {
            self.worker.queue.put_back(copy);
        }
    }
}

/// Where a panic comes past all that catches it, the message counts as failed. Else nobody would
/// ever be done with it.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.worker.is_stopping() {
            self.forget();
            if let Some(hold) = self.hold.take() {
                hold.release();
            }
        }
    }
}

fn passed_over(worker: &Worker, context: &Context) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    if let Some(suppressed) = worker.limits.duplicates.allow() {
        tracing::debug!(
            handler = worker.scope.spec.name,
            topic = &*quoted(context.topic()),
            id = &*quoted(context.id()),
            suppressed,
            "a duplicate was passed over"
        );
    }
}
