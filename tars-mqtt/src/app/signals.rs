use std::io;
use std::time::{Duration, Instant};

/// A signal that follows another one this soon is the same one: `timeout` of coreutils, and others
/// that pass signals on, send it to the process and to its group.
const ECHO: Duration = Duration::from_millis(50);

/// The signals that tell a process to stop.
#[derive(Debug)]
pub(super) struct Signals {
    /// When the last one came that was no echo.
    last: Option<Instant>,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            last: None,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// The name of the next one that is no echo.
    pub(super) async fn next(&mut self) -> &'static str {
        loop {
            let name = self.any().await;
            if self.is_new(Instant::now()) {
                return name;
            }
        }
    }

    fn is_new(&mut self, now: Instant) -> bool {
        let is_new = self.last.is_none_or(|last| now.duration_since(last) > ECHO);
        if is_new {
            self.last = Some(now);
        }
        is_new
    }

    #[cfg(unix)]
    async fn any(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "where there are signals, listening can fail")]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { last: None })
    }

    #[cfg(not(unix))]
    async fn any(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

#[cfg(test)]
mod tests {
    use super::{ECHO, Signals};
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_signal_that_comes_twice_at_once_counts_once() {
        let mut signals = Signals::listen().unwrap();
        let first = Instant::now();
        assert!(signals.is_new(first));
        assert!(!signals.is_new(first + Duration::from_millis(1)));
        assert!(!signals.is_new(first + ECHO));
        // An echo does not put off the end of the wait for others.
        assert!(signals.is_new(first + ECHO + Duration::from_millis(1)));
    }
}
