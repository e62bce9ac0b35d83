use std::fmt;
use std::io;

use crate::error::Refusal;

/// Why no connection came about.
#[derive(Debug)]
pub(crate) enum ConnectError {
    /// The broker answered, and does not want this client (section 3.2.2.3).
    Refused(Refusal),
    /// The broker was not reached, or did not speak MQTT. Worth another try.
    Failed(String),
    /// The broker was reached, and ended the connection without an answer. Worth another try.
    Unanswered(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::Failed(reason) | Self::Unanswered(reason) => f.write_str(reason),
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
