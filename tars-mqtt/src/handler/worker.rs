use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::run::Run;
use super::{Handler, Neighbours, Retained};
use crate::delivery::{Dedupe, Job, Queue, Wake};
use crate::extract::Scope;
use crate::log::{LogLimit, quoted};
use crate::panics::{caught, caught_to_the_end};
use crate::task::BoxFuture;

/// Messages taken from the queue at once: one lock and one wake-up for all of them.
const BATCH: usize = 32;

/// How long the connection may wait for what a batch has for it.
const PATIENCE: Duration = Duration::from_micros(200);

/// What the tasks of one handler share.
pub(crate) struct Worker {
    pub(crate) scope: Arc<Scope>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) dedupe: Option<Dedupe>,
    pub(crate) limits: Limits,
    pub(crate) neighbours: Neighbours,
    pub(crate) retained: Retained,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// How much is said of each trouble that messages can cause.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(super) failures: LogLimit,
    pub(super) retries: LogLimit,
    pub(super) letters: LogLimit,
    pub(super) passed_over: LogLimit,
    pub(super) duplicates: LogLimit,
    panics: LogLimit,
}

impl Worker {
    pub(crate) fn wake(&self) -> &Wake {
        self.scope.client.wake()
    }

    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
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
    let begin = |worker| -> BoxFuture<()> { Box::pin(work::<H>(worker)) };
    crate::task::spawn(Box::pin(keep_working(worker, begin)))
}

/// Begins anew when a panic has come past all that catches it, for instance out of what the program
/// collects its log with: a handler without its tasks would hold up every other one.
async fn keep_working(worker: Arc<Worker>, begin: fn(Arc<Worker>) -> BoxFuture<()>) {
    loop {
        let work = begin(worker.clone());
        let Err(panic) = caught_to_the_end(worker.wake().holding_back(work)).await else { return };
        if worker.is_stopping() {
            return;
        }
        let said = caught(|| {
            if let Some(suppressed) = worker.limits.panics.allow() {
                tracing::error!(
                    handler = worker.scope.spec.name,
                    panic = &*quoted(&panic),
                    suppressed,
                    "a handler's task panicked and begins anew; its message counts as failed"
                );
            }
        });
        // Whoever panics over what is said hears no more of it.
        drop(said);
        tokio::task::yield_now().await;
    }
}

async fn work<H: Handler>(worker: Arc<Worker>) {
    let mut shift = Shift::new(&worker);
    while let Some(mut run) = shift.next().await {
        loop {
            let outcome = run.attempt(pin!(Some(H::call(run.context())))).await;
            if !run.goes_on_after(outcome).await {
                break;
            }
        }
    }
}

/// One task's way through the queue.
struct Shift<'w> {
    worker: &'w Worker,
    /// Messages taken at once.
    batch: usize,
    jobs: VecDeque<Job>,
    /// When the connection could last run.
    since: Instant,
    /// A message has been handed out.
    busy: bool,
}

impl<'w> Shift<'w> {
    fn new(worker: &'w Worker) -> Self {
        // With several tasks, each takes one message, so that none waits behind another's slow one.
        let batch = if worker.scope.spec.options.concurrency == 1 { BATCH } else { 1 };
        let jobs = VecDeque::with_capacity(batch);
        Self { worker, batch, jobs, since: Instant::now(), busy: false }
    }

    /// The next message to be handled; the one before is done with. `None` once there will be none.
    async fn next(&mut self) -> Option<Run<'w>> {
        loop {
            if std::mem::take(&mut self.busy) {
                self.worker.queue.done();
                self.let_the_connection_run().await;
            }
            if let Some(job) = self.jobs.pop_front() {
                self.busy = true;
                if let Some(run) = Run::begin(self.worker, job) {
                    return Some(run);
                }
            } else {
                self.worker.wake().wake_if_owed();
                if !self.worker.queue.take(self.batch, &mut self.jobs).await {
                    return None;
                }
                self.since = Instant::now();
            }
        }
    }

    /// Once it has waited for long enough.
    async fn let_the_connection_run(&mut self) {
        if self.worker.wake().is_owed() && self.since.elapsed() > PATIENCE {
            self.worker.wake().wake_if_owed();
            // The connection's task may now stand where only this thread can run it.
            tokio::task::yield_now().await;
            self.since = Instant::now();
        }
    }
}

/// What was taken and not begun is left to another task.
impl Drop for Shift<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() || self.worker.is_stopping() {
            return;
        }
        if self.busy {
            self.worker.queue.done();
        }
        for job in self.jobs.drain(..).rev() {
            self.worker.queue.done();
            self.worker.queue.put_back(job);
        }
    }
}
