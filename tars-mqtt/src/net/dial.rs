#[cfg(feature = "testing")]
use std::io;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "testing")]
use tokio::{io::DuplexStream, sync::mpsc};

use super::error::ConnectError;
use super::files::Files;
use super::route::{Addresses, Route};
use super::stream::Stream;
use crate::config::{BrokerUrl, Config, Secret};

/// How the broker is reached.
#[derive(Clone)]
pub(crate) enum Dialer {
    /// Over the network, as the URL says.
    Network(Arc<Network>),
    /// In the process: the other end of each connection is sent here.
    #[cfg(feature = "testing")]
    InProcess(mpsc::Sender<DuplexStream>),
}

/// What is needed to reach a broker over the network.
pub(crate) struct Network {
    url: BrokerUrl,
    addresses: Addresses,
    files: Files,
    /// Nobody has named the broker: it must be one that a service of this user has started.
    #[cfg(feature = "embedded-broker")]
    only_ours: bool,
}

impl Dialer {
    /// Prepares for the broker that the configuration names, and warns of what gives secrets away.
    ///
    /// # Errors
    ///
    /// When the TLS files cannot be used.
    pub(crate) fn new(config: &Config) -> crate::error::Result<Self> {
        config.warn_of_leaks();
        Ok(Self::Network(Arc::new(Network::new(config)?)))
    }

    /// Prepares for the broker that this process has started because none was named.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[cfg(feature = "embedded-broker")]
    pub(crate) fn to_own_broker(config: &Config) -> crate::error::Result<Self> {
        Ok(Self::Network(Arc::new(Network { only_ours: false, ..Network::new(config)? })))
    }

    /// Whether the broker takes several connections, as those over a network do.
    pub(crate) fn is_network(&self) -> bool {
        match self {
            Self::Network(_) => true,
            #[cfg(feature = "testing")]
            Self::InProcess(_) => false,
        }
    }

    /// The password that its file holds now, if there is such a file. It and those of TLS are read
    /// again.
    pub(crate) async fn renewed_password(&self) -> Option<Secret> {
        match self {
            Self::Network(network) => {
                network.files.renew().await;
                network.files.password()
            }
            #[cfg(feature = "testing")]
            Self::InProcess(_) => None,
        }
    }

    /// The ways to the broker, to be tried one after the other.
    pub(crate) async fn route(&self) -> Result<Way<'_>, ConnectError> {
        match self {
            Self::Network(network) => {
                #[cfg(feature = "embedded-broker")]
                network.check_whose()?;
                let route = network.addresses.route(network.url.host(), network.url.port());
                Ok(Way::Network(network, route.await?))
            }
            #[cfg(feature = "testing")]
            Self::InProcess(peer) => Ok(Way::InProcess(Some(peer))),
        }
    }
}

impl Network {
    fn new(config: &Config) -> crate::error::Result<Self> {
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
}

#[cfg(test)]
impl Dialer {
    /// Lets the next lookup of the broker's name come to this.
    pub(crate) async fn name_stands_for(&self, addresses: Vec<std::net::SocketAddr>) {
        match self {
            Self::Network(network) => network.addresses.found(addresses).await,
            #[cfg(feature = "testing")]
            Self::InProcess(_) => {}
        }
    }
}

/// An attempt to reach the broker.
pub(crate) enum Way<'a> {
    Network(&'a Network, Route<'a>),
    /// Whoever is at the other end, until that has been tried.
    #[cfg(feature = "testing")]
    InProcess(Option<&'a mpsc::Sender<DuplexStream>>),
}

impl Way<'_> {
    /// A stream to the broker at the next of its addresses. An error when none is left.
    pub(crate) async fn next(&mut self) -> Result<Box<dyn Stream>, ConnectError> {
        match self {
            Self::Network(_, route) => Ok(Box::new(route.connect().await?)),
            #[cfg(feature = "testing")]
            Self::InProcess(peer) => {
                let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
                let (ours, theirs) = tokio::io::duplex(256 * 1024);
                peer.take().ok_or_else(gone)?.send(theirs).await.map_err(|_| gone())?;
                Ok(Box::new(ours))
            }
        }
    }

    /// What lies between the stream and MQTT: TLS and WebSocket, each within the limit.
    #[cfg_attr(
        not(any(feature = "tls", feature = "websocket")),
        expect(unused_variables, clippy::unused_async, reason = "with them it takes time")
    )]
    pub(crate) async fn dress(
        &self,
        stream: Box<dyn Stream>,
        limit: Duration,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        match self {
            Self::Network(network, _) => {
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
            }
            #[cfg(feature = "testing")]
            Self::InProcess(_) => Ok(stream),
        }
    }

    /// Whether the broker has more addresses, to be tried if this one is of no use.
    pub(crate) fn has_others(&self) -> bool {
        match self {
            Self::Network(_, route) => route.has_others(),
            #[cfg(feature = "testing")]
            Self::InProcess(_) => false,
        }
    }

    pub(crate) fn worked(self) {
        match self {
            Self::Network(_, route) => route.worked(),
            #[cfg(feature = "testing")]
            Self::InProcess(_) => {}
        }
    }

    pub(crate) fn failed(&mut self, error: &ConnectError) {
        match self {
            Self::Network(_, route) => route.failed(error),
            #[cfg(feature = "testing")]
            Self::InProcess(_) => {}
        }
    }
}

/// A step of opening a connection, with the time that it may take.
pub(crate) async fn within<T>(
    limit: Duration,
    step: &str,
    future: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| {
        Err(ConnectError::Failed(format!("no answer to the {step} within {limit:?}")))
    })
}
