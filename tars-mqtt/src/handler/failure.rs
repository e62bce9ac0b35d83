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

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}
