//! How long to wait before another attempt, whatever is attempted.

use std::time::Duration;

/// The pause after so many failures, between a shortest and a longest one: exponential, with full
/// jitter above the shortest.
pub(crate) fn pause((shortest, longest): (Duration, Duration), failures: u32) -> Duration {
    let ceiling = shortest.saturating_mul(2_u32.saturating_pow(failures)).min(longest);
    shortest + ceiling.saturating_sub(shortest).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_within_their_bounds() {
        let bounds = (Duration::from_millis(100), Duration::from_secs(5));
        for failures in 1..40 {
            for _ in 0..100 {
                let pause = pause(bounds, failures);
                assert!(pause >= bounds.0 && pause <= bounds.1, "{failures}: {pause:?}");
                assert!(failures > 1 || pause <= Duration::from_millis(200));
            }
        }
    }
}
