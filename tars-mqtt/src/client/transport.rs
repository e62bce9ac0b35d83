use std::fmt;

use rumqttc::Packet;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::Shared;
use crate::error::{Error, Result};
use crate::session::Command;
use crate::wire::{Traffic, TrafficTap};

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
    /// Weak, so that it keeps no connection alive whose clients are gone.
    commands: mpsc::WeakUnboundedSender<Box<Command>>,
    tap: TrafficTap,
}

impl Transport {
    pub(super) fn of(client: &Shared) -> Self {
        Self { commands: client.commands.downgrade(), tap: client.tap.clone() }
    }

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
        let (done, sent) = oneshot::channel();
        let command = Box::new(Command::Send { packet: packet.into(), done });
        let connection = self.commands.upgrade().ok_or(Error::Stopped)?;
        connection.send(command).map_err(|_| Error::Stopped)?;
        drop(connection);
        sent.await.unwrap_or(Err(Error::Stopped))
    }

    /// All packets that go in and out from now on. A receiver that falls more than 1,024 packets
    /// behind loses the oldest; to one that is more than 16 behind, payloads over 64 KiB are shown
    /// cut to that.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Traffic> {
        self.tap.watch()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}
