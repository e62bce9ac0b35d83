//! A real MQTT broker in the process, for demos, development and tests.
//!
//! ```
//! use tars_mqtt::broker::EmbeddedBroker;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> tars_mqtt::Result<()> {
//! let broker = EmbeddedBroker::start("127.0.0.1:0").await?;
//! println!("connect to {}", broker.url());
//! broker.stop().await
//! # }
//! ```
//!
//! It speaks MQTT 3.1.1 and 5 on one port, without TLS and without websockets, with all levels of
//! QoS, retained messages, last wills, persistent sessions and shared subscriptions. Behind it
//! stands the crate [`mqtt5`](https://docs.rs/mqtt5/0.49).
//!
//! # Where it runs
//!
//! On a thread of its own, named `mqtt-broker`, with a runtime of its own. A handler that blocks
//! its runtime therefore stops neither the broker nor the other programs connected to it, and the
//! broker outlives the runtime that started it. All its clients share that one thread.
//!
//! Unless told otherwise it keeps everything in memory and listens on 127.0.0.1 only. Nobody can
//! log in too often: there is no lockout after wrong passwords.
//!
//! # What it keeps for its clients
//!
//! As much as its limits allow, however many clients come and whatever they send; each is a
//! setting of [`EmbeddedBrokerBuilder`]:
//!
//! | limit | default | beyond it |
//! | --- | --- | --- |
//! | clients | 1000 | one that never subscribed or published goes, else the next is refused |
//! | connections without CONNECT | 100 | the oldest is closed |
//! | time until CONNECT | 10 s | the connection is closed |
//! | sessions | 1000 | an absent one without subscriptions goes, else the next is refused |
//! | retained messages | 10,000, 64 MiB | the next is refused |
//! | filters of a client | 2000 | the next is refused |
//! | messages queued for a session | 10,000, 64 MiB | the oldest go |
//! | unread by a client | 64 MiB | it is disconnected |
//! | held for all together | 256 MiB | the older half of the longest queue goes, or a client |
//! | packet | 1 MiB | the connection is closed |
//! | topic or filter, properties of a message, CONNECT | 4096, 8192, 65,536 bytes | the same |
//!
//! # What it logs
//!
//! Through `tracing`, with targets that begin with `tars_mqtt`: at level info that a client comes
//! and goes, as a warning that one is refused or disconnected and that messages are dropped, and
//! nothing for a message. Ten lines of each level in ten seconds at most, with what clients say
//! escaped and cut. Some lines when it starts have targets that begin with `mqtt5`.
//!
//! # What it cannot do
//!
//! Everything here was measured, with clients of MQTT 3.1.1 where nothing else is said.
//!
//! - A client gets one copy of a message for each of its subscriptions that match, where Mosquitto
//!   sends one copy in all.
//! - It sends a client 64 messages of QoS 1 before an acknowledgement, and then one for each.
//! - For a client that is away it keeps the newest 10 000 messages and no more than 64 MiB: 72
//!   payloads of 900 KiB. Older ones are dropped, with a warning. QoS 0 is not kept at all.
//! - It cannot tell a client of MQTT 3.1.1 that a message is not retained or not permitted: it
//!   acknowledges it.
//! - QoS 0 to a client that reads slowly is dropped beyond 10 000 waiting messages, without a word.
//! - A packet above [`max_packet_size`](EmbeddedBrokerBuilder::max_packet_size) closes the
//!   connection that sent it. A client that goes on sending the same one never gets through.
//! - A message at QoS 1 overtakes messages at QoS 0 that the same client sent just before it (44 of
//!   50 times; never with Mosquitto). Messages of one QoS stay in order.
//! - An absent member of a shared subscription gets nothing as long as another is there.
//! - A client id with `/`, `\` or a control character in it is refused (CONNACK code 2), and so are
//!   `.` and `..`.
//! - A persistent session belongs to the user who began it; another user with that client id is
//!   refused (CONNACK code 5).
//! - A client without keep alive is disconnected after 300 silent seconds.
//! - Clients of MQTT 5 find the publisher's id in each message, as the user property
//!   `x-mqtt-client-id`, and its user name as `x-mqtt-sender`.
//! - Stopping it publishes the last wills of the clients still connected. With a folder, a retained
//!   one is there after the restart.
//! - A folder holds everything after [`EmbeddedBroker::stop`], but is no journal. If the process is
//!   killed, messages acknowledged up to a quarter of a second before are lost, and so are those
//!   that a connected client had not been sent yet.
//!
//! It brings `rustls` with the provider `ring`, though it opens no TLS itself. If another
//! dependency of the program brings `aws-lc-rs`, rustls can no longer choose between them: install
//! one (`rustls::crypto::CryptoProvider::install_default`) before the first TLS connection.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::error::Result;

mod builder;
pub(crate) mod claim;
mod connection;
mod frames;
mod guard;
mod limits;
mod limits_builder;
mod server;
mod thread;
mod users;

pub use builder::EmbeddedBrokerBuilder;

/// An MQTT broker running in this process; see the [module](self) for what it does.
///
/// Dropping it stops it as well, without waiting: its port is free a moment later. A program that
/// keeps its messages in a folder should call [`stop`](Self::stop) before it exits.
///
/// ```
/// use tars_mqtt::broker::EmbeddedBroker;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> tars_mqtt::Result<()> {
/// let broker = EmbeddedBroker::start("127.0.0.1:0").await?;
/// let address = broker.local_addr();
/// assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{}", address.port()));
///
/// // A second one finds the port taken.
/// let error = EmbeddedBroker::start(&address.to_string()).await.unwrap_err();
/// assert!(error.to_string().contains(&address.to_string()));
///
/// // Once the first has stopped, the port is free.
/// broker.stop().await?;
/// let broker = EmbeddedBroker::start(&address.to_string()).await?;
/// broker.stop().await
/// # }
/// ```
pub struct EmbeddedBroker {
    address: SocketAddr,
    // Dropping the sender stops the broker as well.
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<()>>,
    thread: JoinHandle<()>,
}

impl EmbeddedBroker {
    /// Starts a broker on this address, with everything else at its default; port 0 takes a free
    /// one. Returns once it accepts connections.
    ///
    /// # Errors
    ///
    /// [`Error::Broker`](crate::Error::Broker), naming the address, if it cannot listen there.
    pub async fn start(address: &str) -> Result<Self> {
        Self::builder().address(address).start().await
    }

    /// Starts one on this address as the one that services of this user meet at.
    pub(crate) async fn start_claimed(address: &str, claim: claim::Claim) -> Result<Self> {
        thread::start(Self::builder().address(address), Some(claim)).await
    }

    /// The settings of a broker to start, each at its default.
    pub fn builder() -> EmbeddedBrokerBuilder {
        EmbeddedBrokerBuilder::new()
    }

    /// The address it listens on, with the port it took.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where a client on this machine finds it: `mqtt://127.0.0.1:1883`, for instance.
    ///
    /// Holds no user and no password.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("mqtt://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// Stops it: closes all connections, writes out what belongs in its folder, and frees the port
    /// and everything else it holds.
    ///
    /// Takes a few milliseconds, or three seconds if a client does not read what it is sent or
    /// never finished connecting.
    ///
    /// # Errors
    ///
    /// [`Error::Broker`](crate::Error::Broker) if the folder cannot be written, or if the broker
    /// failed while it ran.
    pub async fn stop(self) -> Result<()> {
        let Self { stop, ended, thread, .. } = self;
        drop(stop);
        thread::wait(ended, thread).await
    }
}

impl fmt::Debug for EmbeddedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedBroker").field("address", &self.address).finish_non_exhaustive()
    }
}
