use std::future::ready;
use std::time::Duration;

use super::error::ConnectError;
use super::stream::Stream;
use crate::config::Secret;
use crate::task::BorrowingFuture;

/// How the broker is reached.
pub(crate) trait Dialer: Send + Sync {
    /// Whether the broker takes several connections of one service at a time.
    fn takes_several(&self) -> bool;

    /// The password that its file holds now, if there is such a file. All files that a connection
    /// needs are read again.
    fn renewed_password(&self) -> BorrowingFuture<'_, Option<Secret>> {
        Box::pin(ready(None))
    }

    /// Begins to reach the broker.
    fn attempt(&self) -> BorrowingFuture<'_, Result<Box<dyn Attempt + '_>, ConnectError>>;
}

/// An attempt to reach the broker, by one way after the other.
pub(crate) trait Attempt: Send + Sync {
    /// A stream to the broker by the next way. An error when none is left.
    fn next(&mut self) -> BorrowingFuture<'_, Result<Box<dyn Stream>, ConnectError>>;

    /// What lies between the stream and MQTT, each step of it within the limit.
    fn dress(
        &self,
        stream: Box<dyn Stream>,
        _limit: Duration,
    ) -> BorrowingFuture<'_, Result<Box<dyn Stream>, ConnectError>> {
        Box::pin(ready(Ok(stream)))
    }

    /// Whether there are more ways, to be tried if this one is of no use.
    fn has_others(&self) -> bool {
        false
    }

    /// The last one led to the broker.
    fn worked(self: Box<Self>) {}

    /// The last one did not.
    fn failed(&mut self, _error: &ConnectError) {}
}

/// A step of opening a connection, with the time that it may take.
pub(crate) async fn within<T>(
    limit: Duration,
    step: &str,
    future: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| {
        Err(ConnectError::Failed(format!("no answer to the {step} within {limit:?}")))
    })
}
