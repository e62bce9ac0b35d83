use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use tracing::Instrument as _;

use super::{Failure, Worker};
use crate::delivery::{Dedupe, Hold, Job, Key, Ticket, Verdict};
use crate::event::{DeadLetter, encode};
use crate::extract::Context;
use crate::transport::Publish;
use crate::{Event as _, QoS};

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

/// What a call of a handler is, whatever the handler.
pub(super) type Call<'c> = dyn Future<Output = Result<(), Failure>> + Send + 'c;

impl<'w> Run<'w> {
    /// `None` for a duplicate, which is seen to with that.
    pub(super) fn begin(worker: &'w Worker, job: Job) -> Option<Self> {
        let Job { message, mut hold } = job;
        let ticket = hold.as_ref().map(|hold| hold.ticket().clone());
        let context = Context::new(message, worker.scope.clone(), ticket.clone());
        let seen_as = worker.dedupe.as_ref().and_then(|dedupe| {
            let payload = context.payload();
            let head = context.head()?;
            let (event_type, id) = (head.event_type(payload), head.id(payload));
            Some((dedupe, dedupe.key(event_type, id, head.seq(payload), head.data(payload))))
        });
        if let Some((dedupe, key)) = seen_as {
            match dedupe.begin(key, context.message(), hold) {
                Verdict::Run(given_back) => hold = given_back,
                Verdict::Copy => {
                    tracing::debug!(
                        handler = worker.scope.spec.name,
                        topic = context.topic(),
                        id = context.id(),
                        "a duplicate was passed over"
                    );
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
    pub(super) async fn attempt(&self, call: Pin<&mut Call<'_>>) -> Result<(), Failure> {
        let spec = self.worker.scope.spec;
        let span = tracing::debug_span!(
            target: "tars_mqtt::message",
            "message",
            handler = spec.name,
            topic = self.context.topic(),
            id = tracing::field::Empty,
            attempt = self.attempt
        );
        let call = limited(call, spec.options.timeout);
        if span.is_disabled() {
            call.await
        } else {
            span.record("id", self.context.id());
            call.instrument(span).await
        }
    }

    /// Sees to what came of an attempt. Returns whether another one is due, after the pause before
    /// it.
    pub(super) async fn goes_on_after(&mut self, outcome: Result<(), Failure>) -> bool {
        let spec = self.worker.scope.spec;
        match outcome {
            Ok(()) => {
                if let Some((dedupe, key)) = self.seen_as {
                    dedupe.handled(key, self.ticket.as_ref());
                }
            }
            Err(failure) if self.attempt <= spec.options.retry && failure.is_worth_retrying() => {
                let pause = pause(spec.options.backoff, self.attempt);
                tracing::warn!(
                    handler = spec.name,
                    topic = self.context.topic(),
                    id = self.context.id(),
                    attempt = self.attempt,
                    "a handler failed and tries again in {pause:?}: {failure}"
                );
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
                report(self.worker, &self.context, &failure, self.attempt);
                bury(self.worker, &self.context, &failure, self.attempt).await;
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

async fn limited(mut call: Pin<&mut Call<'_>>, limit: Option<Duration>) -> Result<(), Failure> {
    // Set when the handler first has to wait: most are done at once, and a timer has its price.
    let mut timer = pin!(None);
    std::future::poll_fn(|task| {
        if let Poll::Ready(outcome) = poll_caught(call.as_mut(), task) {
            return Poll::Ready(outcome);
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

fn poll_caught(
    call: Pin<&mut Call<'_>>,
    task: &mut task::Context<'_>,
) -> Poll<Result<(), Failure>> {
    // A handler that panicked is dropped and never polled again, so nothing sees its state.
    let poll = std::panic::catch_unwind(AssertUnwindSafe(|| call.poll(task)));
    poll.unwrap_or_else(|panic| Poll::Ready(Err(Failure::panicked(&*panic))))
}

/// Exponential, with full jitter above the shortest pause.
fn pause((shortest, longest): (Duration, Duration), attempt: u32) -> Duration {
    let ceiling = shortest.saturating_mul(2_u32.saturating_pow(attempt)).min(longest);
    shortest + ceiling.saturating_sub(shortest).mul_f64(fastrand::f64())
}

fn report(worker: &Worker, context: &Context, failure: &Failure, attempts: u32) {
    let Some(suppressed) = worker.failures.allow() else { return };
    let handler = worker.scope.spec.name;
    let (topic, id, qos, retain) =
        (context.topic(), context.id(), context.qos().level(), context.retain());
    if let Failure::Rejected(reason) = failure {
        tracing::warn!(
            handler,
            topic,
            id,
            qos,
            retain,
            suppressed,
            "a message was refused: {reason}"
        );
    } else {
        tracing::error!(handler, topic, id, attempts, suppressed, "a handler failed: {failure}");
    }
}

/// Sends a message that could not be handled to the dead letters, if the handler has any.
async fn bury(worker: &Worker, context: &Context, failure: &Failure, attempts: u32) {
    let spec = worker.scope.spec;
    let Some(topic) = spec.options.dead_letter else { return };
    let (payload, encoding) = DeadLetter::encode_payload(context.payload());
    let letter = DeadLetter {
        topic: context.topic().to_owned(),
        payload,
        encoding: encoding.to_owned(),
        reason: failure.to_string(),
        handler: spec.name.to_owned(),
        attempts,
    };
    let client = &worker.scope.client;
    let buried = match encode(&letter, context.id(), client.config().source_name()) {
        Ok(payload) => {
            let publish =
                Publish::new(topic.to_owned(), payload, QoS::AtLeastOnce, DeadLetter::RETAIN);
            context.reply(publish).await
        }
        Err(error) => Err(error),
    };
    if let Err(error) = buried {
        tracing::error!(
            handler = spec.name,
            id = context.id(),
            "a message could not be sent to the dead letters on {topic}: {error}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_their_bounds() {
        let bounds = (Duration::from_millis(100), Duration::from_secs(5));
        for attempt in 1..40 {
            for _ in 0..100 {
                let pause = pause(bounds, attempt);
                assert!(pause >= bounds.0 && pause <= bounds.1, "{attempt}: {pause:?}");
                assert!(attempt > 1 || pause <= Duration::from_millis(200));
            }
        }
    }
}
