//! Streams of bytes to the broker: TCP, TLS, WebSocket.
//!
//! Sockets are opened with tokio's own crates (for TLS rustls, without the outdated certificate parser
//! that rumqttc links). The frames of WebSocket are taken apart as they come: the libraries for them
//! gather each whole in memory, and refuse what is larger than that.

pub(crate) mod dial;
mod error;
mod files;
#[cfg(feature = "websocket")]
mod frames;
mod network;
#[cfg(feature = "tls")]
mod pem;
mod pending;
mod route;
mod stream;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_words;
#[cfg(feature = "websocket")]
mod websocket;

pub(crate) use error::ConnectError;
#[cfg(all(fuzzing, feature = "websocket"))]
pub(crate) use frames::fuzz;
pub(crate) use network::Network;
pub(crate) use stream::Stream;
#[cfg(feature = "tls")]
pub(crate) use tls_words::explained_after;
