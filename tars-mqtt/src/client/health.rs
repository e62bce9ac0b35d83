use super::Client;
use crate::error::{Error, Result};
use crate::session::HealthReport;

/// Says how the service is. Made by [`Client::health`].
///
/// What is said here is published as soon as the service is connected and all its subscriptions are
/// granted; of what is said before that, the last. Trouble stays until something else is said: after
/// an outage it is published again. While the broker refuses a subscription, nothing is published as
/// well. Nothing is published while health is off (`MQTT_ENABLE_HEALTH`). A text is cut after 4 KiB, or
/// before where packets must be small.
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
        let shared = &self.0.0;
        if shared.commands.is_closed() {
            return Err(Error::Stopped);
        }
        shared.health.set(report);
        shared.wake.wake();
        Ok(())
    }
}
