//! Tasks that run for long.

use std::pin::Pin;

use tokio::task::JoinHandle;

/// A future whose type is compiled once, where it is boxed, and not again wherever it is used.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// As [`BoxFuture`], of one that borrows.
pub(crate) type BorrowingFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Starts a task. Boxed, so that what tokio needs for a task is compiled once for all of them.
pub(crate) fn spawn(task: BoxFuture<()>) -> JoinHandle<()> {
    tokio::spawn(task)
}
