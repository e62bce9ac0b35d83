use std::fmt;

use rumqttc::Packet;
use tokio::sync::{broadcast, mpsc};

use crate::{Error, Result};

/// Packets remembered for a watcher that falls behind.
const REMEMBERED: usize = 1024;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the broker to this client.
    Incoming,
    /// From this client to the broker.
    Outgoing,
}

/// A packet that went over the connection.
#[derive(Clone, Debug)]
pub struct Traffic {
    /// Which way it went.
    pub direction: Direction,
    /// The packet, in the types of rumqttc.
    pub packet: Packet,
}

/// The transport beneath a [`Client`](crate::Client), for what this crate does not cover.
///
/// ```no_run
/// # async fn example(client: tars_mqtt::Client) -> tars_mqtt::Result<()> {
/// use tars_mqtt::rumqttc::{Packet, QoS, Subscribe};
///
/// let transport = client.rumqttc();
/// let mut traffic = transport.watch();
/// let mut subscribe = Subscribe::new("plain/topic", QoS::AtMostOnce);
/// subscribe.pkid = 40_000;
/// transport.send(Packet::Subscribe(subscribe)).await?;
/// while let Ok(seen) = traffic.recv().await {
///     println!("{:?} {:?}", seen.direction, seen.packet);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Transport {
    packets: mpsc::Sender<Packet>,
    traffic: broadcast::Sender<Traffic>,
}

impl Transport {
    /// Sends any packet, past the outbox and the session: it is written once, in order with the
    /// others sent here, and dropped if there is no connection.
    ///
    /// Packet identifiers from 32,768 on are free for such packets; lower ones are the session's.
    /// Answers to them, and messages for what is subscribed to here, are seen with
    /// [`watch`](Self::watch) only; such messages are acknowledged as they come.
    ///
    /// # Errors
    ///
    /// [`Error::Stopped`] once the client has shut down.
    pub async fn send(&self, packet: Packet) -> Result<()> {
        self.packets.send(packet).await.map_err(|_| Error::Stopped)
    }

    /// All packets that go in and out from now on. A receiver that falls more than 1,024 packets
    /// behind loses the oldest.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Traffic> {
        self.traffic.subscribe()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

/// The filters that a packet subscribes to.
pub(crate) fn filters(packet: &Packet) -> impl Iterator<Item = String> {
    let filters = match packet {
        Packet::Subscribe(subscribe) => subscribe.filters.as_slice(),
        _ => &[],
    };
    filters.iter().map(|filter| filter.path.clone())
}

/// Packets that a program wants sent as they are.
pub(crate) type RawPackets = mpsc::Receiver<Packet>;

/// Where the link shows what passes, when somebody watches.
#[derive(Clone, Debug)]
pub(crate) struct TrafficTap(broadcast::Sender<Traffic>);

impl TrafficTap {
    pub(crate) fn new() -> (Self, Transport, RawPackets) {
        let (packets, raw) = mpsc::channel(64);
        let (traffic, _) = broadcast::channel(REMEMBERED);
        (Self(traffic.clone()), Transport { packets, traffic }, raw)
    }

    pub(super) fn show(&self, direction: Direction, packet: impl FnOnce() -> Option<Packet>) {
        if self.0.receiver_count() > 0
            && let Some(packet) = packet()
        {
            // Nobody listening any more is no fault.
            let _ = self.0.send(Traffic { direction, packet });
        }
    }
}
