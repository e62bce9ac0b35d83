//! What is measured: a service on tars-mqtt, and the same written by hand on rumqttc.

mod framework;
mod progress;
mod raw;

pub use progress::Progress;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::measure::Figures;
use crate::scenario::Scenario;

/// No measurement takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Whose cost is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A loop on rumqttc, without Nagle's algorithm.
    Raw,
    /// tars-mqtt as `App` and `Client` begin: duplicates are not filtered.
    Framework,
    /// tars-mqtt as `#[tars_mqtt::main]` begins: duplicates are filtered for 30 s.
    Deduped,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "rumqttc",
            Self::Framework => "tars-mqtt",
            Self::Deduped => "tars-mqtt, duplicates filtered",
        })
    }
}

impl FromStr for Subject {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let all = [Self::Raw, Self::Framework, Self::Deduped];
        match all.into_iter().find(|subject| subject.to_string() == text) {
            Some(subject) => Ok(subject),
            None => bail!("{text} is not measured"),
        }
    }
}

/// What a subject has to do.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// The kind of work.
    pub scenario: Scenario,
    /// How much of it.
    pub messages: u64,
    /// Where the server or the broker is.
    pub port: u16,
    /// Whether to tell the load generator when it can begin: behind a broker it does not see
    /// subscriptions.
    pub says_ready: bool,
}

impl Work {
    /// Does it, and returns what was measured on this side.
    pub async fn done_by(self, subject: Subject) -> anyhow::Result<Figures> {
        match subject {
            Subject::Raw => raw::run(self).await,
            Subject::Framework => framework::run(self, false).await,
            Subject::Deduped => framework::run(self, true).await,
        }
    }
}

/// Does the work in this process, on a runtime as services have it.
pub fn run(subject: Subject, work: Work) -> anyhow::Result<Figures> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let figures = runtime
        .block_on(async { tokio::time::timeout(LIMIT, work.done_by(subject)).await })
        .context("it did not come to an end")??;
    runtime.shutdown_background();
    Ok(figures)
}
