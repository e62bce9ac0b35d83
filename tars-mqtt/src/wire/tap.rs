use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rumqttc::Packet;
use tokio::sync::broadcast;

/// Packets remembered for a watcher that falls behind.
const REMEMBERED: usize = 1024;

/// From so many packets that somebody has not looked at, payloads larger than this are cut, so that
/// the number of packets bounds the memory that they take.
const BEHIND: usize = 16;
const CUT: usize = 64 * 1024;

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
    /// The packet, in the types of rumqttc; a CONNECT with `***` for user name and password.
    pub packet: Packet,
}

/// The packet as it may be shown: a user name may be a secret as much as a password.
fn without_login(mut packet: Packet) -> Packet {
    if let Packet::Connect(connect) = &mut packet
        && let Some(login) = &mut connect.login
    {
        for part in [&mut login.username, &mut login.password] {
            if !part.is_empty() {
                "***".clone_into(part);
            }
        }
    }
    packet
}

/// The packet with at most so much of its payload, in memory of its own.
fn cut(mut traffic: Traffic) -> Traffic {
    if let Packet::Publish(publish) = &mut traffic.packet
        && publish.payload.len() > CUT
    {
        publish.payload = Bytes::copy_from_slice(&publish.payload[..CUT]);
    }
    traffic
}

/// Those who watch. A trait, so that programs in which nobody does are built without what it takes.
trait Audience: Send + Sync {
    fn is_there(&self) -> bool;
    fn show(&self, traffic: Traffic);
    fn join(&self) -> broadcast::Receiver<Traffic>;
}

impl Audience for broadcast::Sender<Traffic> {
    fn is_there(&self) -> bool {
        self.receiver_count() > 0
    }

    fn show(&self, traffic: Traffic) {
        let traffic = if self.len() < BEHIND { traffic } else { cut(traffic) };
        // Nobody listening any more is no fault.
        let _ = self.send(traffic);
    }

    fn join(&self) -> broadcast::Receiver<Traffic> {
        self.subscribe()
    }
}

/// Where the link shows what passes, when somebody watches.
#[derive(Clone, Default)]
pub(crate) struct TrafficTap(Arc<OnceLock<Box<dyn Audience>>>);

impl TrafficTap {
    pub(crate) fn watch(&self) -> broadcast::Receiver<Traffic> {
        self.0.get_or_init(|| Box::new(broadcast::Sender::new(REMEMBERED))).join()
    }

    pub(crate) fn show(&self, direction: Direction, packet: impl FnOnce() -> Option<Packet>) {
        if let Some(audience) = self.0.get()
            && audience.is_there()
            && let Some(packet) = packet()
        {
            audience.show(Traffic { direction, packet: without_login(packet) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_shown_to_no_watcher_whichever_way_it_goes() {
        let tap = TrafficTap::default();
        let mut watcher = tap.watch();
        for direction in [Direction::Outgoing, Direction::Incoming] {
            let mut connect = rumqttc::Connect::new("svc");
            connect.set_login("ghp_hunter2", "hunter2");
            tap.show(direction, || Some(Packet::Connect(connect)));
            let shown = format!("{:?}", watcher.try_recv().unwrap());
            assert!(shown.contains("***") && !shown.contains("hunter2"), "{shown}");
        }
    }
}
