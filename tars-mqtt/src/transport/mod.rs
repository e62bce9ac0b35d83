//! Everything that knows rumqttc, sockets and the bytes of MQTT 3.1.1.
//!
//! rumqttc contributes its packet types and codec. Its event loop and session state are left out,
//! because their faults cannot be mended from outside: a packet over the limit or a topic that is
//! not UTF-8 ends the connection and comes again for ever, publishes are lost when the window
//! overflows or the session does, and packet ids are reused. The session therefore lives in
//! `connection`, and the socket is opened with tokio's own crates (for TLS rustls, without the
//! outdated certificate parser that rumqttc links). The frames of WebSocket are taken apart as they
//! come: the libraries for them gather each whole in memory, and refuse what is larger than that.
//! PUBLISH packets are taken apart in place, without copying the topic, and so that a message nobody
//! can read can still be acknowledged.
//!
//! The rest of the crate sees [`Link`], [`Received`] and [`Publish`]. A second protocol version is
//! another codec here.

mod codec;
mod dial;
mod files;
#[cfg(feature = "websocket")]
mod frames;
#[cfg(test)]
mod fuzz;
mod handshake;
mod link;
#[cfg(feature = "testing")]
mod peer;
#[cfg(feature = "tls")]
mod pem;
mod pending;
mod route;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_words;
mod traffic;
#[cfg(feature = "websocket")]
mod websocket;

pub(crate) use codec::{Publish, Received};
pub(crate) use dial::Dialer;
pub(crate) use handshake::{ConnectError, LastWill, Opened, open};
pub(crate) use link::{Ack, Link};
#[cfg(feature = "testing")]
pub(crate) use peer::{Delivery, Peer};
pub use traffic::{Direction, Traffic};
pub(crate) use traffic::{TrafficTap, filters};

/// The highest packet identifier that the session uses. Those above are left to packets that a
/// program sends through [`Transport`](crate::Transport).
pub(crate) const MAX_PACKET_ID: u16 = 0x7fff;
