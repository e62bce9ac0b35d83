use std::future::Future as _;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tracing::Instrument as _;

use super::{Failure, Handler, Worker};
use crate::delivery::{Job, Verdict};
use crate::event::{DeadLetter, encode};
use crate::extract::Context;
use crate::transport::Publish;
use crate::{Event as _, QoS};

/// Sees a message to its end: filtered, handled, tried again, buried.
pub(super) async fn see_to<H: Handler>(worker: &Worker, job: Job) {
    let Job { message, hold } = job;
    let ticket = hold.as_ref().map(|hold| hold.ticket().clone());
    let mut context = Context::new(message, worker.scope.clone(), ticket.clone());
    let key = worker.dedupe.as_ref().and_then(|dedupe| {
        let payload = context.payload();
        let head = context.head()?;
        let seq = head.seq(payload);
        let key = dedupe.key(head.event_type(payload), head.id(payload), seq, head.data(payload));
        Some((dedupe, key))
    });
    let hold = match key {
        None => hold,
        Some((dedupe, key)) => match dedupe.begin(key, context.message(), hold) {
            Verdict::Run(hold) => hold,
            Verdict::Copy => {
                tracing::debug!(
                    handler = worker.scope.spec.name,
                    topic = context.topic(),
                    id = context.id(),
                    "a duplicate was passed over"
                );
                return;
            }
        },
    };
    let outcome = attempts::<H>(worker, &mut context).await;
    if let Some((dedupe, key)) = key {
        match outcome {
            Outcome::Handled => dedupe.handled(key, ticket.as_ref()),
            Outcome::Failed(..) | Outcome::Abandoned => {
                for copy in dedupe.failed(key) {
                    worker.queue.put_back(copy);
                }
            }
        }
    }
    match outcome {
        Outcome::Handled => {}
        Outcome::Failed(failure, attempts) => {
            report(worker, &context, &failure, attempts);
            bury(worker, &context, &failure, attempts).await;
        }
        // Not acknowledged, so that it comes again at the next start.
        Outcome::Abandoned => return,
    }
    if let Some(hold) = hold {
        hold.release();
    }
}

enum Outcome {
    Handled,
    /// Why the last attempt failed, and how many there were.
    Failed(Failure, u32),
    /// The service stops, and another attempt would have to wait.
    Abandoned,
}

async fn attempts<H: Handler>(worker: &Worker, context: &mut Context) -> Outcome {
    let options = &worker.scope.spec.options;
    let mut attempt = 1;
    loop {
        context.set_attempt(attempt);
        let span = tracing::debug_span!(
            target: "tars_mqtt::message",
            "message",
            handler = worker.scope.spec.name,
            topic = context.topic(),
            id = tracing::field::Empty,
            attempt
        );
        let call = once::<H>(context, options.timeout);
        let outcome = if span.is_disabled() {
            call.await
        } else {
            span.record("id", context.id());
            call.instrument(span).await
        };
        let failure = match outcome {
            Ok(()) => return Outcome::Handled,
            Err(failure) => failure,
        };
        if attempt > options.retry || !failure.is_worth_retrying() {
            return Outcome::Failed(failure, attempt);
        }
        let pause = pause(options.backoff, attempt);
        tracing::warn!(
            handler = worker.scope.spec.name,
            topic = context.topic(),
            id = context.id(),
            attempt,
            "a handler failed and tries again in {pause:?}: {failure}"
        );
        if !worker.pause(pause).await {
            return Outcome::Abandoned;
        }
        attempt += 1;
    }
}

/// One call, at most as long as allowed, whatever it does.
async fn once<H: Handler>(context: &Context, limit: Option<Duration>) -> Result<(), Failure> {
    let mut call = pin!(uncaught::<H>(context));
    // Set when the handler first has to wait: most are done at once, and a timer has its price.
    let mut timer = pin!(None);
    std::future::poll_fn(|task| {
        if let Poll::Ready(outcome) = call.as_mut().poll(task) {
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

async fn uncaught<H: Handler>(context: &Context) -> Result<(), Failure> {
    let mut call = pin!(H::call(context));
    std::future::poll_fn(|task| {
        // A handler that panicked is dropped and never polled again, so nothing sees its state.
        let poll = std::panic::catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(task)));
        poll.unwrap_or_else(|panic| Poll::Ready(Err(Failure::panicked(&*panic))))
    })
    .await
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
