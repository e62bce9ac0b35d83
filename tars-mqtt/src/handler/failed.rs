use std::time::Duration;

use tokio::sync::watch;

use super::Worker;
use super::letter::{Remains, put_together};
use super::told::Told;
use crate::error::{Error, Result};
use crate::extract::{Context, RejectionKind};
use crate::log::quoted;
use crate::session::ConnectionState;
use crate::spec::OtherTypes;

/// How long a dead letter waits for room in the outbox, with a connection that could make some.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is not a failure although the handler cannot take it.
enum NoMatter {
    /// An event of another type, which somebody else takes.
    OtherType,
    /// An empty message, by which a retained one is cleared (section 3.3.1.3).
    Cleared,
}

/// Sees to a message that could not be handled: says so, and sends it to the dead letters, if the
/// handler has any.
pub(super) async fn see_to(worker: &Worker, context: &Context, failure: &Told, attempts: u32) {
    let rejection = failure.rejection;
    if let Some(no_matter) = rejection.and_then(|kind| no_matter(worker, context, kind)) {
        pass_over(worker, context, &no_matter);
        return;
    }
    report(worker, context, failure, attempts);
    // What is retained comes again with every start, and would be buried each time.
    if rejection.is_some() && context.retain() {
        return;
    }
    bury(worker, context, failure, attempts).await;
}

fn no_matter(worker: &Worker, context: &Context, kind: RejectionKind) -> Option<NoMatter> {
    let spec = worker.scope.spec;
    if kind == RejectionKind::OtherType {
        let ignored = match spec.options.other_types {
            Some(OtherTypes::Ignore) => true,
            Some(OtherTypes::Reject) => false,
            None => worker.neighbours.take(context.event_type(), context.topic()),
        };
        return ignored.then_some(NoMatter::OtherType);
    }
    let is_retained = || {
        context.retain()
            || spec.event.is_some_and(|event| event.retain)
            || worker.retained.contains(context.topic())
    };
    (context.payload().is_empty() && is_retained()).then_some(NoMatter::Cleared)
}

fn pass_over(worker: &Worker, context: &Context, no_matter: &NoMatter) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let handler = worker.scope.spec.name;
    let Some(suppressed) = worker.limits.passed_over.allow() else { return };
    let topic = quoted(context.topic());
    match no_matter {
        NoMatter::OtherType => tracing::debug!(
            handler,
            %topic,
            event_type = &*quoted(context.event_type()),
            suppressed,
            "an event of another type was passed over"
        ),
        NoMatter::Cleared => tracing::debug!(
            handler,
            %topic,
            suppressed,
            "an empty message was passed over: what was retained is cleared"
        ),
    }
}

fn report(worker: &Worker, context: &Context, failure: &Told, attempts: u32) {
    let Some(suppressed) = worker.limits.failures.allow() else { return };
    let handler = worker.scope.spec.name;
    let (topic, id) = (quoted(context.topic()), quoted(context.id()));
    let reason = quoted(&failure.text);
    if failure.rejection.is_some() {
        let (qos, retain) = (context.qos().level(), context.retain());
        tracing::warn!(
            handler,
            %topic,
            %id,
            qos,
            retain,
            suppressed,
            "a message was refused: {reason}"
        );
    } else {
        tracing::error!(
            handler,
            %topic,
            %id,
            attempts,
            suppressed,
            "a handler failed: {reason}"
        );
    }
}

/// Sends a message that could not be handled to the dead letters, if the handler has any.
async fn bury(worker: &Worker, context: &Context, failure: &Told, attempts: u32) {
    let spec = worker.scope.spec;
    let Some(letters) = spec.options.dead_letter else { return };
    let remains = Remains {
        id: context.id(),
        topic: context.topic(),
        payload: context.payload(),
        reason: &failure.text,
        handler: spec.name,
        attempts,
    };
    let config = worker.scope.client.config();
    let letter = put_together(&remains, letters, config.source_name(), config.packet_limit());
    let buried = match letter {
        Ok(letter) => tokio::select! {
            buried = context.reply(letter) => buried,
            given_up = give_up(context.client().state()) => given_up,
        },
        Err(error) => Err(error),
    };
    if let Err(error) = buried
        && let Some(suppressed) = worker.limits.letters.allow()
    {
        tracing::error!(
            handler = spec.name,
            topic = &*quoted(context.topic()),
            id = &*quoted(context.id()),
            dead_letter = letters,
            error = &*quoted(&error.to_string()),
            suppressed,
            "a message could not be sent to the dead letters and is lost"
        );
    }
}

/// Ends once a connection has been there for long enough. Without one no message is acknowledged,
/// so that waiting holds nothing up.
async fn give_up(mut state: watch::Receiver<ConnectionState>) -> Result<()> {
    loop {
        if state.wait_for(|state| *state == ConnectionState::Connected).await.is_err() {
            return Err(Error::Stopped);
        }
        tokio::select! {
            () = tokio::time::sleep(PATIENCE) => return Err(Error::Timeout(PATIENCE)),
            _ = state.wait_for(|state| *state != ConnectionState::Connected) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_letter_waits_for_the_connection_and_then_for_a_while() {
        let (sender, state) = watch::channel(ConnectionState::Disconnected);
        let giving_up = tokio::spawn(give_up(state));
        let pass = |time| async move {
            tokio::time::sleep(time).await;
            tokio::task::yield_now().await;
        };
        pass(Duration::from_secs(3600)).await;
        sender.send_replace(ConnectionState::Connected);
        pass(PATIENCE / 2).await;
        sender.send_replace(ConnectionState::Disconnected);
        pass(PATIENCE).await;
        sender.send_replace(ConnectionState::Connected);
        pass(Duration::from_secs(29)).await;
        assert!(!giving_up.is_finished());
        pass(Duration::from_secs(2)).await;
        assert!(matches!(giving_up.await, Ok(Err(Error::Timeout(PATIENCE)))));
    }
}
