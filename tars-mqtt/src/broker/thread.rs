use std::net::SocketAddr;
use std::thread;

use tokio::sync::oneshot;

use super::claim::Claim;
use super::{EmbeddedBroker, EmbeddedBrokerBuilder, server};
use crate::error::{Error, Result};

pub(super) async fn start(
    settings: EmbeddedBrokerBuilder,
    claim: Option<Claim>,
) -> Result<EmbeddedBroker> {
    let (ready, when_ready) = oneshot::channel();
    let (stop, when_stopping) = oneshot::channel();
    let (end, when_ended) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("mqtt-broker".to_owned())
        .spawn(move || {
            let outcome = run(settings, claim, ready, when_stopping);
            // Nobody waits for it if the handle was dropped.
            let _ = end.send(outcome);
        })
        .map_err(|e| Error::Broker(format!("cannot start its thread: {e}")))?;
    match when_ready.await {
        Ok(address) => Ok(EmbeddedBroker { address, stop, ended: when_ended, thread }),
        Err(_) => Err(match wait(when_ended, thread).await {
            Err(error) => error,
            Ok(()) => Error::Broker("stopped while it started".to_owned()),
        }),
    }
}

/// Waits for the broker's thread to end.
pub(super) async fn wait(
    ended: oneshot::Receiver<Result<()>>,
    thread: thread::JoinHandle<()>,
) -> Result<()> {
    let outcome = ended.await;
    // Returns at once: telling the outcome is the last thing the thread does.
    let joined = thread.join();
    match (outcome, joined) {
        (Ok(outcome), Ok(())) => outcome,
        _ => Err(Error::Broker("its thread panicked".to_owned())),
    }
}

fn run(
    settings: EmbeddedBrokerBuilder,
    claim: Option<Claim>,
    ready: oneshot::Sender<SocketAddr>,
    when_stopping: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Broker(format!("cannot start its runtime: {e}")))?;
    // Dropping the runtime ends whatever tasks and connections the broker left.
    runtime.block_on(server::serve(settings, claim, ready, when_stopping))
}
