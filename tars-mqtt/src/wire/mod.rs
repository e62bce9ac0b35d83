//! Packets, and how they are written as bytes.
//!
//! The rest of the crate sees [`Packet`], [`Publish`] and [`PacketSink`]; each version of the
//! protocol is a codec in a folder of its own. rumqttc contributes the types and the codec of the
//! packets that are rare. PUBLISH packets are taken apart in place, without copying the topic, and so
//! that a message nobody can read can still be acknowledged.

mod packet;
mod publish;
mod raw;
mod tap;
pub(crate) mod v4;
#[cfg(test)]
mod written;

#[cfg(test)]
pub(crate) use packet::Ack;
pub(crate) use packet::{Packet, PacketSink, Reason, Unreadable};
pub(crate) use publish::{LastWill, Publish};
pub(crate) use raw::{RawPacket, kind};
pub(crate) use tap::TrafficTap;
pub use tap::{Direction, Traffic};
#[cfg(test)]
pub(crate) use written::Written;

/// The highest packet identifier that the session uses. Those above are left to packets that a
/// program sends through [`Transport`](crate::Transport).
pub(crate) const MAX_PACKET_ID: u16 = 0x7fff;
