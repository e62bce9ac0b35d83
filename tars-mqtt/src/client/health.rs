use super::Client;
use crate::connection::{Command, HealthReport};
use crate::{Error, Result};

/// Says how the service is. Made by [`Client::health`].
///
/// What is said here stays until something else is said: after an outage the same is published
/// again. Nothing is published while health is off (`MQTT_ENABLE_HEALTH`).
#[derive(Clone, Copy, Debug)]
pub struct Health<'a>(&'a Client);

impl<'a> Health<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self(client)
    }

    /// The service does its work; `event` says since what.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] once the client has shut down.
    #[expect(clippy::unused_async, reason = "as all that speaks to the broker")]
    pub async fn ok(self, event: impl Into<String>) -> Result<()> {
        self.report(HealthReport { ok: true, event: Some(event.into()), err: None })
    }

    /// The service is there and cannot do its work, because of `reason`.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] once the client has shut down.
    #[expect(clippy::unused_async, reason = "as all that speaks to the broker")]
    pub async fn failing(self, reason: impl Into<String>) -> Result<()> {
        self.report(HealthReport { ok: false, event: None, err: Some(reason.into()) })
    }

    fn report(self, report: HealthReport) -> Result<()> {
        self.0.0.commands.send(Box::new(Command::Health(report))).map_err(|_| Error::Stopped)
    }
}
