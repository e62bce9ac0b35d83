#[cfg(any(feature = "tls", feature = "websocket"))]
use std::time::Duration;

#[cfg(any(feature = "tls", feature = "websocket"))]
use super::dial::within;
use super::dial::{Attempt, Dialer};
use super::error::ConnectError;
use super::files::Files;
use super::route::{Addresses, Route};
use super::stream::Stream;
use crate::config::{BrokerUrl, Config, Secret};
use crate::error::Result;
use crate::task::BorrowingFuture;

/// A broker that is reached over the network, as the URL says.
pub(crate) struct Network {
    url: BrokerUrl,
    addresses: Addresses,
    files: Files,
    /// Nobody has named the broker: it must be one that a service of this user has started.
    #[cfg(feature = "embedded-broker")]
    only_ours: bool,
}

impl Network {
    /// Prepares for the broker that the configuration names, and warns of what gives secrets away.
    ///
    /// # Errors
    ///
    /// When the TLS files cannot be used.
    pub(crate) fn prepare(config: &Config) -> Result<Self> {
        config.warn_of_leaks();
        Self::new(config)
    }

    /// Prepares for the broker that this process has started because none was named.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    #[cfg(feature = "embedded-broker")]
    pub(crate) fn to_own_broker(config: &Config) -> Result<Self> {
        Ok(Self { only_ours: false, ..Self::new(config)? })
    }

    fn new(config: &Config) -> Result<Self> {
        Ok(Self {
            url: config.url().clone(),
            addresses: Addresses::default(),
            files: Files::new(config)?,
            #[cfg(feature = "embedded-broker")]
            only_ours: config.wants_embedded_broker() && !config.joins_any_local_broker(),
        })
    }

    /// # Errors
    ///
    /// When the broker that is at the address may be anybody's.
    #[cfg(feature = "embedded-broker")]
    fn check_whose(&self) -> Result<(), ConnectError> {
        use crate::broker::claim::{Claim, Claimed};
        if !self.only_ours || matches!(Claim::take(), Ok(Claimed::Already { listening: true })) {
            return Ok(());
        }
        Err(ConnectError::Failed(format!(
            "MQTT_URL is not set, and no service of this user runs a broker on {0}: set \
             MQTT_URL=mqtt://{0} to use whichever one is there",
            self.url.address().trim_start_matches("mqtt://")
        )))
    }

    /// Lets the next lookup of the broker's name come to this.
    #[cfg(test)]
    pub(crate) async fn name_stands_for(&self, addresses: Vec<std::net::SocketAddr>) {
        self.addresses.found(addresses).await;
    }
}

impl Dialer for Network {
    fn takes_several(&self) -> bool {
        true
    }

    fn renewed_password(&self) -> BorrowingFuture<'_, Option<Secret>> {
        Box::pin(async {
            self.files.renew().await;
            self.files.password()
        })
    }

    fn attempt(&self) -> BorrowingFuture<'_, Result<Box<dyn Attempt + '_>, ConnectError>> {
        Box::pin(async {
            #[cfg(feature = "embedded-broker")]
            self.check_whose()?;
            let route = self.addresses.route(self.url.host(), self.url.port()).await?;
            let attempt: Box<dyn Attempt> = Box::new(ByAddress { network: self, route });
            Ok(attempt)
        })
    }
}

/// The addresses of a broker as ways to it.
struct ByAddress<'a> {
    #[cfg_attr(
        not(any(feature = "tls", feature = "websocket")),
        expect(dead_code, reason = "nothing lies between TCP and MQTT")
    )]
    network: &'a Network,
    route: Route<'a>,
}

impl Attempt for ByAddress<'_> {
    fn next(&mut self) -> BorrowingFuture<'_, Result<Box<dyn Stream>, ConnectError>> {
        Box::pin(async {
            let stream: Box<dyn Stream> = Box::new(self.route.connect().await?);
            Ok(stream)
        })
    }

    #[cfg(any(feature = "tls", feature = "websocket"))]
    fn dress(
        &self,
        stream: Box<dyn Stream>,
        limit: Duration,
    ) -> BorrowingFuture<'_, Result<Box<dyn Stream>, ConnectError>> {
        let network = self.network;
        Box::pin(async move {
            #[cfg(feature = "tls")]
            let stream = match network.files.tls() {
                Some(config) => {
                    let secured = super::tls::connect(config, network.url.host(), stream);
                    within(limit, "TLS handshake", secured).await?
                }
                None => stream,
            };
            #[cfg(feature = "websocket")]
            let stream = if network.url.scheme().is_websocket() {
                let framed = super::websocket::connect(&network.url, stream);
                within(limit, "WebSocket handshake", framed).await?
            } else {
                stream
            };
            Ok(stream)
        })
    }

    fn has_others(&self) -> bool {
        self.route.has_others()
    }

    fn worked(self: Box<Self>) {
        self.route.worked();
    }

    fn failed(&mut self, error: &ConnectError) {
        self.route.failed(error);
    }
}
