use bytes::{Buf, Bytes, BytesMut};
use rumqttc::{Packet, SubscribeReasonCode};

use super::traffic::kind;
use crate::message::Message;
use crate::text::Text;
use crate::{Error, QoS};

/// A packet from the broker, as the session sees it.
#[derive(Debug)]
pub(crate) enum Received {
    /// The packet id is 0 at QoS 0.
    Publish {
        id: u16,
        message: Message,
    },
    /// A PUBLISH that cannot be handed to anyone, but can be acknowledged.
    Unreadable(Unreadable),
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    /// What each filter was granted, `None` where it was refused.
    SubAck {
        id: u16,
        granted: Vec<Option<QoS>>,
    },
    UnsubAck(u16),
    PingResp,
    /// Not for a server to send (section 3.14), but some do before they close.
    Disconnect,
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

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Publish(pub(super) rumqttc::Publish);

impl Publish {
    pub(crate) fn new(topic: String, payload: Bytes, qos: QoS, retain: bool) -> Self {
        let mut publish = rumqttc::Publish::from_bytes(topic, to_rumqttc(qos), payload);
        publish.retain = retain;
        Self(publish)
    }

    pub(crate) fn qos(&self) -> QoS {
        from_rumqttc(self.0.qos)
    }

    pub(crate) fn topic(&self) -> &str {
        &self.0.topic
    }

    /// The message as it comes back to whoever subscribes to it.
    pub(crate) fn as_message(&self) -> Message {
        Message {
            topic: self.topic().into(),
            payload: self.0.payload.clone(),
            qos: self.qos(),
            retain: false,
            dup: false,
        }
    }

    /// Bytes of topic and payload.
    pub(crate) fn len(&self) -> usize {
        self.0.topic.len() + self.0.payload.len()
    }

    /// The size of the whole packet once it has its packet id.
    pub(crate) fn size(&self) -> usize {
        let id = if self.qos() == QoS::AtMostOnce { 0 } else { 2 };
        self.0.size() + id
    }

    #[cfg(test)]
    pub(crate) fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    pub(crate) fn check_size(&self, limit: usize) -> Result<(), Error> {
        let size = self.size();
        if size > limit { Err(Error::TooLarge { size, limit }) } else { Ok(()) }
    }
}

pub(super) fn to_rumqttc(qos: QoS) -> rumqttc::QoS {
    match qos {
        QoS::AtMostOnce => rumqttc::QoS::AtMostOnce,
        QoS::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
        QoS::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
    }
}

pub(super) fn from_rumqttc(qos: rumqttc::QoS) -> QoS {
    match qos {
        rumqttc::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// Takes packets out of what the socket delivered.
#[derive(Debug)]
pub(super) struct Decoder {
    max_packet_size: usize,
    /// Bytes still to come of a packet that is not kept.
    skip: usize,
    /// Size of the memory that packets are cut from. One that is kept keeps all of it.
    chunk: usize,
}

/// From memory larger than this, small packets are copied.
const LARGE_CHUNK: usize = 128 * 1024;

impl Decoder {
    pub(super) fn new(max_packet_size: usize) -> Self {
        Self { max_packet_size, skip: 0, chunk: 0 }
    }

    /// The buffer has been given room for more.
    pub(super) fn enlarged(&mut self, buffer: &BytesMut) {
        self.chunk = buffer.capacity();
    }

    /// The next whole packet, `None` when more bytes are needed. An error means that the stream
    /// cannot be followed any further.
    pub(super) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, String> {
        if self.skip > 0 {
            let skipped = self.skip.min(buffer.len());
            buffer.advance(skipped);
            self.skip -= skipped;
            if self.skip > 0 {
                return Ok(None);
            }
        }
        let Some(header) = Header::parse(buffer)? else { return Ok(None) };
        let size = header.len + header.remaining;
        if size > self.max_packet_size {
            return self.begin_skipping(buffer, header, size);
        }
        if buffer.len() < size {
            let missing = size - buffer.len();
            if buffer.capacity() < size {
                buffer.reserve(missing);
                self.enlarged(buffer);
            }
            return Ok(None);
        }
        let mut frame = buffer.split_to(size);
        if header.kind() == PUBLISH {
            let is_pinning = self.chunk > LARGE_CHUNK && size < self.chunk / 4;
            let frame = if is_pinning { Bytes::copy_from_slice(&frame) } else { frame.freeze() };
            return publish(header, frame).map(Some);
        }
        let packet = Packet::read(&mut frame, size).map_err(|error| error.to_string())?;
        received(packet).map(Some)
    }

    /// A PUBLISH over the limit is passed over, so that it can be acknowledged: otherwise it would
    /// come again with every connection.
    fn begin_skipping(
        &mut self,
        buffer: &[u8],
        header: Header,
        size: usize,
    ) -> Result<Option<Received>, String> {
        let limit = self.max_packet_size;
        if header.kind() != PUBLISH {
            let kind = header.kind();
            return Err(format!("a packet of type {kind} with {size} bytes; the limit is {limit}"));
        }
        let Some(variable) = Variable::parse(buffer, header)? else { return Ok(None) };
        self.skip = size;
        Ok(Some(Received::Unreadable(Unreadable {
            id: variable.id,
            qos: header.qos()?,
            topic: String::from_utf8_lossy(&buffer[variable.topic]).into_owned(),
            reason: format!(
                "its packet has {size} bytes, over the limit of {limit}; raise MQTT_MAX_PACKET_SIZE"
            ),
        })))
    }
}

const PUBLISH: u8 = 3;

/// The fixed header (section 2.2).
#[derive(Clone, Copy)]
struct Header {
    first: u8,
    len: usize,
    remaining: usize,
}

impl Header {
    fn parse(buffer: &[u8]) -> Result<Option<Self>, String> {
        let Some((&first, rest)) = buffer.split_first() else { return Ok(None) };
        let mut remaining = 0;
        for (index, &byte) in rest.iter().take(4).enumerate() {
            remaining |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(Some(Self { first, len: index + 2, remaining }));
            }
        }
        if rest.len() >= 4 {
            return Err("a remaining length of more than four bytes".to_owned());
        }
        Ok(None)
    }

    fn kind(self) -> u8 {
        self.first >> 4
    }

    fn qos(self) -> Result<QoS, String> {
        QoS::from_level((self.first >> 1) & 3).ok_or_else(|| "a PUBLISH at QoS 3".to_owned())
    }
}

/// The topic and packet id of a PUBLISH, as far as they have arrived: where the payload begins.
struct Variable {
    topic: std::ops::Range<usize>,
    id: u16,
    payload: usize,
}

impl Variable {
    fn parse(frame: &[u8], header: Header) -> Result<Option<Self>, String> {
        let qos = header.qos()?;
        let Some(&[high, low]) = frame.get(header.len..header.len + 2) else { return Ok(None) };
        let start = header.len + 2;
        let end = start + usize::from(u16::from_be_bytes([high, low]));
        let mut payload = end;
        let mut id = 0;
        if qos != QoS::AtMostOnce {
            payload += 2;
            if payload <= header.len + header.remaining {
                let Some(&[high, low]) = frame.get(end..payload) else { return Ok(None) };
                id = u16::from_be_bytes([high, low]);
                if id == 0 {
                    return Err("a PUBLISH with packet id 0".to_owned());
                }
            }
        }
        if payload > header.len + header.remaining {
            return Err("a PUBLISH whose topic is longer than the packet".to_owned());
        }
        if frame.len() < end {
            return Ok(None);
        }
        Ok(Some(Self { topic: start..end, id, payload }))
    }
}

fn publish(header: Header, frame: Bytes) -> Result<Received, String> {
    let Some(variable) = Variable::parse(&frame, header)? else {
        return Err("a PUBLISH that ends before its topic".to_owned());
    };
    let qos = header.qos()?;
    let topic = frame.slice(variable.topic);
    let topic = match Text::new(topic.clone()) {
        Ok(text) if !text.as_str().contains('\0') => text,
        _ => {
            return Ok(Received::Unreadable(Unreadable {
                id: variable.id,
                qos,
                topic: String::from_utf8_lossy(&topic).into_owned(),
                reason: "its topic is not valid UTF-8".to_owned(),
            }));
        }
    };
    let mut payload = frame;
    payload.advance(variable.payload);
    let retain = header.first & 1 != 0;
    let dup = header.first & 8 != 0;
    Ok(Received::Publish { id: variable.id, message: Message { topic, payload, qos, retain, dup } })
}

fn received(packet: Packet) -> Result<Received, String> {
    Ok(match packet {
        Packet::PubAck(ack) => Received::PubAck(ack.pkid),
        Packet::PubRec(rec) => Received::PubRec(rec.pkid),
        Packet::PubRel(rel) => Received::PubRel(rel.pkid),
        Packet::PubComp(comp) => Received::PubComp(comp.pkid),
        Packet::SubAck(ack) => Received::SubAck {
            id: ack.pkid,
            granted: ack
                .return_codes
                .into_iter()
                .map(|code| match code {
                    SubscribeReasonCode::Success(qos) => Some(from_rumqttc(qos)),
                    SubscribeReasonCode::Failure => None,
                })
                .collect(),
        },
        Packet::UnsubAck(ack) => Received::UnsubAck(ack.pkid),
        Packet::PingResp => Received::PingResp,
        Packet::Disconnect => Received::Disconnect,
        other => return Err(format!("a {}, which a broker never sends here", kind(&other))),
    })
}

/// The packet that a program watching the traffic is shown for something received.
pub(super) fn shown(received: &Received) -> Option<Packet> {
    Some(match received {
        Received::Publish { id, message } => {
            let mut publish = rumqttc::Publish::from_bytes(
                message.topic(),
                to_rumqttc(message.qos),
                message.payload.clone(),
            );
            publish.pkid = *id;
            publish.dup = message.dup;
            publish.retain = message.retain;
            Packet::Publish(publish)
        }
        Received::Unreadable(_) => return None,
        Received::PubAck(id) => Packet::PubAck(rumqttc::PubAck::new(*id)),
        Received::PubRec(id) => Packet::PubRec(rumqttc::PubRec::new(*id)),
        Received::PubRel(id) => Packet::PubRel(rumqttc::PubRel::new(*id)),
        Received::PubComp(id) => Packet::PubComp(rumqttc::PubComp::new(*id)),
        Received::SubAck { id, granted } => Packet::SubAck(rumqttc::SubAck::new(
            *id,
            granted
                .iter()
                .map(|qos| match qos {
                    Some(qos) => SubscribeReasonCode::Success(to_rumqttc(*qos)),
                    None => SubscribeReasonCode::Failure,
                })
                .collect(),
        )),
        Received::UnsubAck(id) => Packet::UnsubAck(rumqttc::UnsubAck::new(*id)),
        Received::PingResp => Packet::PingResp,
        Received::Disconnect => Packet::Disconnect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], limit: usize) -> Result<Vec<Received>, String> {
        let mut decoder = Decoder::new(limit);
        let mut buffer = BytesMut::new();
        let mut all = Vec::new();
        for byte in bytes {
            buffer.extend_from_slice(&[*byte]);
            while let Some(received) = decoder.decode(&mut buffer)? {
                all.push(received);
            }
        }
        Ok(all)
    }

    fn encoded(topic: &[u8], payload: &[u8], id: u16) -> Vec<u8> {
        let mut packet = vec![0x32];
        let mut remaining = 4 + topic.len() + payload.len();
        loop {
            let low = u8::try_from(remaining % 128).unwrap();
            remaining /= 128;
            packet.push(if remaining > 0 { low | 0x80 } else { low });
            if remaining == 0 {
                break;
            }
        }
        packet.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        packet.extend(topic);
        packet.extend(id.to_be_bytes());
        packet.extend(payload);
        packet
    }

    #[test]
    fn a_publish_is_read_whole_however_its_bytes_arrive() {
        let all = decode(&encoded("ünï/b".as_bytes(), b"hello", 7), 100).unwrap();
        let [Received::Publish { id: 7, message }] = &all[..] else { panic!("{all:?}") };
        assert_eq!((message.topic(), &message.payload()[..]), ("ünï/b", &b"hello"[..]));
    }

    #[test]
    fn a_topic_that_is_not_utf8_can_still_be_acknowledged() {
        let mut bytes = encoded(b"a/\xff", b"x", 3);
        bytes.extend(encoded(b"a", b"y", 4));
        let all = decode(&bytes, 100).unwrap();
        let [Received::Unreadable(Unreadable { id: 3, .. }), Received::Publish { id: 4, .. }] =
            &all[..]
        else {
            panic!("{all:?}")
        };
    }

    #[test]
    fn a_packet_over_the_limit_is_skipped_and_the_next_one_read() {
        let mut bytes = encoded(b"big", &[0; 500], 1);
        bytes.extend(encoded(b"small", b"x", 2));
        let all = decode(&bytes, 100).unwrap();
        let [Received::Unreadable(big), Received::Publish { id: 2, .. }] = &all[..] else {
            panic!("{all:?}")
        };
        assert_eq!((big.id, big.topic.as_str()), (1, "big"));
        assert!(big.reason.contains("MQTT_MAX_PACKET_SIZE"));
    }

    #[test]
    fn a_connect_that_comes_back_is_an_error_that_names_its_type_alone() {
        let mut connect = rumqttc::Connect::new("svc");
        connect.set_login("ghp_hunter2", "hunter2");
        let mut bytes = BytesMut::new();
        Packet::Connect(connect).write(&mut bytes, usize::MAX).unwrap();
        let reason = decode(&bytes, 100).unwrap_err();
        assert_eq!(reason, "a CONNECT, which a broker never sends here");
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        for bytes in [
            &[0x32, 0x02, 0x00, 0x09][..],
            &[0x36, 0x00],
            &[0x30, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x32, 0x05, 0x00, 0x01, b'a', 0x00, 0x00],
            &[0x00, 0x00],
            &[0xf0, 0x00],
            &[0x40, 0x00],
            &[0x90, 0x02, 0x00, 0x01],
            &[0x20, 0x02, 0x00, 0x00],
        ] {
            assert!(decode(bytes, 100).is_err(), "{bytes:x?}");
        }
    }
}
