use std::fmt;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a program and its broker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The embedded broker could not be started, or failed while it ran.
    Broker(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(reason) => write!(f, "embedded broker: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
