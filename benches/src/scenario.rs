//! What is measured.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Messages come as fast as they are taken.
    Consume {
        /// Their quality of service.
        qos: u8,
    },
    /// The same, with one handler among many.
    Handlers {
        /// How many.
        count: usize,
        /// Whether the others have wildcards in their filters.
        wild: bool,
    },
    /// Requests are answered, so many at the same time.
    Request {
        /// How many are under way.
        outstanding: u64,
    },
    /// Messages are published as fast as they are acknowledged.
    Publish {
        /// Their quality of service.
        qos: u8,
    },
    /// The broker goes and comes back.
    Reconnect,
    /// Nothing happens.
    Idle,
}

impl Scenario {
    /// How many messages make a measurement.
    #[must_use]
    pub fn messages(self) -> u64 {
        match self {
            Self::Consume { .. } | Self::Handlers { .. } | Self::Publish { .. } => 400_000,
            // A broker with Nagle's algorithm may take 40 ms for each.
            Self::Request { outstanding: 1 } => 500,
            Self::Request { .. } => 200_000,
            Self::Reconnect => 20,
            Self::Idle => 0,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consume { qos } => write!(f, "consume:{qos}"),
            Self::Handlers { count, wild: false } => write!(f, "handlers:{count}"),
            Self::Handlers { count, wild: true } => write!(f, "wildcards:{count}"),
            Self::Request { outstanding } => write!(f, "request:{outstanding}"),
            Self::Publish { qos } => write!(f, "publish:{qos}"),
            Self::Reconnect => f.write_str("reconnect:"),
            Self::Idle => f.write_str("idle:"),
        }
    }
}

impl FromStr for Scenario {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        let number = || value.parse::<u64>().with_context(|| format!("{text}: no number"));
        Ok(match name {
            "consume" => Self::Consume { qos: number()?.try_into()? },
            "handlers" => Self::Handlers { count: number()?.try_into()?, wild: false },
            "wildcards" => Self::Handlers { count: number()?.try_into()?, wild: true },
            "request" => Self::Request { outstanding: number()? },
            "publish" => Self::Publish { qos: number()?.try_into()? },
            "reconnect" => Self::Reconnect,
            "idle" => Self::Idle,
            _ => bail!("{text} is no scenario"),
        })
    }
}
