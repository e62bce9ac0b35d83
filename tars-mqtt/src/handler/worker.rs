use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::run::see_to;
use super::{Handler, LogLimit};
use crate::delivery::{Dedupe, Queue, Wake};
use crate::extract::Scope;

/// Messages taken from the queue at once: one lock and one wake-up for all of them.
const BATCH: usize = 32;

/// How long the connection may wait for what a batch has for it.
const PATIENCE: Duration = Duration::from_micros(200);

/// What the tasks of one handler share.
pub(crate) struct Worker {
    pub(crate) scope: Arc<Scope>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) dedupe: Option<Dedupe>,
    pub(crate) failures: LogLimit,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Worker {
    pub(crate) fn wake(&self) -> &Wake {
        self.scope.client.wake()
    }

    /// Waits before another attempt. Returns `false` when the service stops meanwhile.
    pub(super) async fn pause(&self, pause: Duration) -> bool {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            _ = stopping.wait_for(|stopping| *stopping) => false,
        }
    }
}

/// Starts one of a handler's tasks.
pub(super) fn spawn<H: Handler>(worker: Arc<Worker>) -> JoinHandle<()> {
    crate::task::spawn(Box::pin(work::<H>(worker)))
}

async fn work<H: Handler>(worker: Arc<Worker>) {
    // With several tasks, each takes one message, so that none waits behind another's slow one.
    let batch = if worker.scope.spec.options.concurrency == 1 { BATCH } else { 1 };
    let mut jobs = VecDeque::with_capacity(batch);
    while worker.queue.take(batch, &mut jobs).await {
        let mut since = Instant::now();
        let mut owed = false;
        while let Some(job) = jobs.pop_front() {
            let ((), more) = worker.wake().holding_back(see_to::<H>(&worker, job)).await;
            worker.queue.done();
            owed |= more;
            if owed && since.elapsed() > PATIENCE {
                owed = false;
                worker.wake().wake();
                // The connection's task may now stand where only this thread can run it.
                tokio::task::yield_now().await;
                since = Instant::now();
            }
        }
        if owed {
            worker.wake().wake();
        }
    }
}
