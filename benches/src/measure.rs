//! Time, memory, and what came of it.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context as _;
use rustix::time::{ClockId, clock_gettime};

/// What came of a measurement, by name.
pub type Figures = BTreeMap<String, f64>;

/// Time that passes, and time that this process computes, from one message to another.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    since: Instant,
    cpu: f64,
}

impl Span {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { since: Instant::now(), cpu: cpu() }
    }

    /// Messages in a second, and processor time for each, in microseconds.
    #[must_use]
    pub fn end(self, messages: u64) -> Figures {
        let (seconds, cpu) = (self.since.elapsed().as_secs_f64(), cpu() - self.cpu);
        let messages = messages as f64;
        Figures::from([
            ("rate".to_owned(), messages / seconds),
            ("cpu_us".to_owned(), cpu / messages * 1e6),
        ])
    }
}

/// Seconds that all threads of this process have computed.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Resident memory of this process, in KiB.
pub fn resident() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no VmRSS")?;
    Ok(kib.trim().parse()?)
}

/// The one in the middle; NaN of none.
#[must_use]
pub fn median_of(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
