use std::any::Any;
use std::fmt;
use std::time::Duration;

use crate::error::BoxError;
use crate::extract::Rejection;

/// Why a handler did not handle a message.
#[derive(Debug)]
pub enum Failure {
    /// An argument could not be taken from the message. Trying again would not help.
    Rejected(Rejection),
    /// The handler returned an error, or a reply could not be published.
    Failed(BoxError),
    /// It ran longer than its timeout.
    TimedOut(Duration),
    /// It panicked, with this message.
    Panicked(String),
}

impl Failure {
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Self::Panicked(message)
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        !matches!(self, Self::Rejected(_))
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => write!(f, "{rejection}"),
            Self::Failed(error) => {
                write!(f, "{error}")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::TimedOut(limit) => write!(f, "it did not finish within {limit:?}"),
            Self::Panicked(message) => write!(f, "it panicked: {message}"),
        }
    }
}
