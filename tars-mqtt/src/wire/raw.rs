use bytes::BytesMut;
use rumqttc::Packet;
use rumqttc::mqttbytes::Error;

/// A packet as rumqttc has it: one that the program has put together itself, to be sent past the
/// session, or one from before the session begins.
///
/// Not to be shown: it may hold a login.
#[derive(Clone)]
pub(crate) struct RawPacket(Packet);

impl From<Packet> for RawPacket {
    fn from(packet: Packet) -> Self {
        Self(packet)
    }
}

impl RawPacket {
    /// Takes the next packet out of what has come; `None` as long as it is not whole.
    pub(crate) fn read(from: &mut BytesMut, limit: usize) -> Result<Option<Self>, String> {
        match Packet::read(from, limit) {
            Ok(packet) => Ok(Some(Self(packet))),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The filters that it subscribes to.
    pub(crate) fn subscribes(&self) -> impl Iterator<Item = &str> {
        let filters = match &self.0 {
            Packet::Subscribe(subscribe) => subscribe.filters.as_slice(),
            _ => &[],
        };
        filters.iter().map(|filter| filter.path.as_str())
    }

    /// The filters that it gives up.
    pub(crate) fn unsubscribes(&self) -> &[String] {
        match &self.0 {
            Packet::Unsubscribe(unsubscribe) => &unsubscribe.topics,
            _ => &[],
        }
    }

    /// Writes it as it is.
    pub(crate) fn write(&self, out: &mut BytesMut) -> Result<(), String> {
        self.0.write(out, usize::MAX).map(drop).map_err(|error| error.to_string())
    }

    /// As a program that watches the traffic is shown it.
    pub(crate) fn into_shown(self) -> Packet {
        self.0
    }

    pub(crate) fn is_ping(&self) -> bool {
        matches!(self.0, Packet::PingReq)
    }
}

/// The type of a packet. Nothing else of one is ever logged: a CONNECT holds the login.
pub(crate) fn kind(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect => "DISCONNECT",
    }
}
