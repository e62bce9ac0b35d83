use std::io;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

/// Work that cannot be stopped once it has begun, such as a name lookup or the reading of a file.
///
/// What does not end in time is waited for again by whoever asks next, and not begun a second time:
/// there is never more than one of it.
#[derive(Debug)]
pub(super) struct Pending<T>(Mutex<Option<JoinHandle<T>>>);

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Pending<T> {
    /// The outcome of the work, begun now unless it is under way.
    pub(super) async fn within(
        &self,
        limit: Duration,
        what: &str,
        begin: impl FnOnce() -> JoinHandle<T>,
    ) -> io::Result<T> {
        let mut under_way = self.0.lock().await;
        let work = under_way.get_or_insert_with(begin);
        let Ok(ended) = tokio::time::timeout(limit, work).await else {
            let reason = format!("{what} did not end within {limit:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
        };
        *under_way = None;
        ended.map_err(io::Error::other)
    }

    #[cfg(test)]
    pub(super) async fn set(&self, work: JoinHandle<T>) {
        *self.0.lock().await = Some(work);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_is_waited_for_again_and_not_begun_again() {
        let pending = Pending::<u8>::default();
        let (finish, finished) = tokio::sync::oneshot::channel();
        let limit = Duration::from_secs(5);
        let begin = || tokio::spawn(async { finished.await.unwrap() });
        let error = pending.within(limit, "the lookup", begin).await.unwrap_err();
        assert_eq!(error.to_string(), "the lookup did not end within 5s");
        let again = || panic!("it is under way");
        pending.within(limit, "the lookup", again).await.unwrap_err();
        finish.send(7).unwrap();
        assert_eq!(pending.within(limit, "the lookup", again).await.unwrap(), 7);
        let anew = || tokio::spawn(async { 8 });
        assert_eq!(pending.within(limit, "the lookup", anew).await.unwrap(), 8);
    }
}
