use bytes::Bytes;

use super::publish::Publish;
use super::raw::RawPacket;
use crate::message::Message;
use crate::qos::QoS;

/// A packet of MQTT, of whatever version, in either direction.
///
/// A PUBLISH to the broker is written by reference instead (see [`PacketSink::publish`]): it is kept
/// until the broker has acknowledged it.
#[derive(Debug)]
pub(crate) enum Packet {
    /// From the broker. The packet identifier is 0 at QoS 0.
    Publish {
        id: u16,
        message: Message,
    },
    /// A PUBLISH that cannot be handed to anyone, but can be acknowledged.
    Unreadable(Unreadable),
    /// A QoS 1 message is done with.
    PubAck(Ack),
    /// A QoS 2 message has been received.
    PubRec(Ack),
    /// A QoS 2 message may be let go.
    PubRel(Ack),
    /// A QoS 2 message has been let go.
    PubComp(Ack),
    Subscribe {
        id: u16,
        filters: Vec<(String, QoS)>,
    },
    /// What each filter was granted.
    SubAck {
        id: u16,
        granted: Vec<Result<QoS, Reason>>,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<String>,
    },
    UnsubAck {
        id: u16,
    },
    PingReq,
    PingResp,
    /// Not for a server to send under 3.1.1 (section 3.14), but some do before they close.
    Disconnect(Reason),
}

/// An acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) id: u16,
    pub(crate) reason: Reason,
}

impl From<u16> for Ack {
    fn from(id: u16) -> Self {
        Self { id, reason: Reason::SUCCESS }
    }
}

/// How something went, as a number. MQTT 3.1.1 has two of them, in SUBACK; everywhere else what it
/// says is always 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub(crate) u8);

impl Reason {
    pub(crate) const SUCCESS: Self = Self(0);
    pub(crate) const FAILURE: Self = Self(0x80);
}

/// Why a PUBLISH was not handed on.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) id: u16,
    pub(crate) qos: QoS,
    pub(crate) topic: String,
    pub(crate) reason: String,
}

impl Unreadable {
    /// What takes its place among the messages to be acknowledged.
    pub(crate) fn stand_in(&self) -> Message {
        Message {
            topic: self.topic.as_str().into(),
            payload: Bytes::new(),
            qos: self.qos,
            retain: false,
            dup: false,
        }
    }
}

/// Where packets to the broker are written.
pub(crate) trait PacketSink {
    /// Whether it takes more without growing beyond its bound. What must go out is written all the
    /// same.
    fn has_room(&self) -> bool;

    /// Writes a PUBLISH.
    fn publish(&mut self, publish: &Publish, id: u16, dup: bool);

    /// Writes any other packet.
    fn send(&mut self, packet: Packet);

    /// Writes a packet that the program has put together itself.
    fn send_raw(&mut self, packet: RawPacket);
}
