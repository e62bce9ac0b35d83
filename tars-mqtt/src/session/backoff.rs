use std::time::Duration;

use crate::backoff::pause;

/// Pauses between attempts to connect.
#[derive(Debug)]
pub(super) struct Backoff {
    bounds: (Duration, Duration),
    failures: u32,
}

impl Backoff {
    pub(super) fn new(bounds: (Duration, Duration)) -> Self {
        Self { bounds, failures: 0 }
    }

    /// The pause after another failure.
    pub(super) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        pause(self.bounds, self.failures)
    }

    /// The connection is good again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_between_the_configured_delays_and_begin_short_again() {
        let bounds = (Duration::from_millis(500), Duration::from_secs(5));
        let mut backoff = Backoff::new(bounds);
        for _ in 0..200 {
            let pause = backoff.next();
            assert!(pause >= bounds.0 && pause <= bounds.1, "{pause:?}");
        }
        backoff.reset();
        assert!(backoff.next() <= Duration::from_secs(1));
    }
}
