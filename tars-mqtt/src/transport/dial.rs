use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
#[cfg(feature = "testing")]
use tokio::{io::DuplexStream, sync::mpsc};

use super::handshake::ConnectError;
use crate::config::{BrokerUrl, Config};

/// What a connection runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Lets the peer know at once that its bytes have come.
    ///
    /// Brokers leave Nagle's algorithm on (mosquitto does by default): their next small packet waits
    /// for this, and the system would take 40 ms for it.
    fn acknowledge_at_once(&self) {}
}

impl Stream for TcpStream {
    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        // Only speed is lost where the system does not know the option.
        let _ = self.set_quickack(true);
    }
}

#[cfg(any(test, feature = "testing"))]
impl Stream for tokio::io::DuplexStream {}

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
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Dialer {
    /// Prepares for the broker that the configuration names.
    ///
    /// # Errors
    ///
    /// When the TLS files cannot be used.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "with TLS it fails")
    )]
    pub(crate) fn new(config: &Config) -> crate::Result<Self> {
        Ok(Self::Network(Arc::new(Network {
            url: config.url().clone(),
            #[cfg(feature = "tls")]
            tls: config
                .url()
                .scheme()
                .is_tls()
                .then(|| super::tls::client_config(config))
                .transpose()?,
        })))
    }

    pub(super) async fn dial(&self) -> Result<Box<dyn Stream>, ConnectError> {
        match self {
            Self::Network(network) => network.dial().await,
            #[cfg(feature = "testing")]
            Self::InProcess(peer) => {
                let (ours, theirs) = tokio::io::duplex(256 * 1024);
                let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
                peer.send(theirs).await.map_err(|_| gone())?;
                Ok(Box::new(ours))
            }
        }
    }
}

impl Network {
    async fn dial(&self) -> Result<Box<dyn Stream>, ConnectError> {
        let stream: Box<dyn Stream> = Box::new(tcp(self.url.host(), self.url.port()).await?);
        #[cfg(feature = "tls")]
        let stream = match &self.tls {
            Some(config) => super::tls::connect(config.clone(), self.url.host(), stream).await?,
            None => stream,
        };
        #[cfg(feature = "websocket")]
        let stream = if self.url.scheme().is_websocket() {
            super::websocket::connect(&self.url, stream).await?
        } else {
            stream
        };
        Ok(stream)
    }
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = None;
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Nagle's algorithm against delayed acknowledgements costs 40 ms a round trip.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host has no address")))
}
