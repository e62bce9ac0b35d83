use bytes::{Buf, Bytes, BytesMut};
use rumqttc::SubscribeReasonCode;

use super::from_rumqttc;
use crate::message::Message;
use crate::qos::QoS;
use crate::text::Text;
use crate::wire::{Packet, Reason, Unreadable, kind};

/// Takes packets out of what the socket delivered.
#[derive(Debug)]
pub(crate) struct Decoder {
    max_packet_size: usize,
    /// Bytes still to come of a packet that is not kept.
    skip: usize,
    /// Size of the memory that packets are cut from. One that is kept keeps all of it.
    chunk: usize,
}

/// From memory larger than this, small packets are copied.
const LARGE_CHUNK: usize = 128 * 1024;

impl Decoder {
    pub(crate) fn new(max_packet_size: usize) -> Self {
        Self { max_packet_size, skip: 0, chunk: 0 }
    }

    /// The buffer has been given room for more.
    pub(crate) fn enlarged(&mut self, buffer: &BytesMut) {
        self.chunk = buffer.capacity();
    }

    /// The next whole packet, `None` when more bytes are needed. An error means that the stream
    /// cannot be followed any further.
    pub(crate) fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, String> {
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
        let packet = rumqttc::Packet::read(&mut frame, size).map_err(|error| error.to_string())?;
        received(packet).map(Some)
    }

    /// A PUBLISH over the limit is passed over, so that it can be acknowledged: otherwise it would
    /// come again with every connection.
    fn begin_skipping(
        &mut self,
        buffer: &[u8],
        header: Header,
        size: usize,
    ) -> Result<Option<Packet>, String> {
        let limit = self.max_packet_size;
        if header.kind() != PUBLISH {
            let kind = header.kind();
            return Err(format!("a packet of type {kind} with {size} bytes; the limit is {limit}"));
        }
        let Some(variable) = Variable::parse(buffer, header)? else { return Ok(None) };
        self.skip = size;
        Ok(Some(Packet::Unreadable(Unreadable {
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

fn publish(header: Header, frame: Bytes) -> Result<Packet, String> {
    let Some(variable) = Variable::parse(&frame, header)? else {
        return Err("a PUBLISH that ends before its topic".to_owned());
    };
    let qos = header.qos()?;
    let topic = frame.slice(variable.topic);
    let topic = match Text::new(topic.clone()) {
        Ok(text) if !text.as_str().contains('\0') => text,
        _ => {
            return Ok(Packet::Unreadable(Unreadable {
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
    Ok(Packet::Publish { id: variable.id, message: Message { topic, payload, qos, retain, dup } })
}

fn received(packet: rumqttc::Packet) -> Result<Packet, String> {
    use rumqttc::Packet as Theirs;
    Ok(match packet {
        Theirs::PubAck(ack) => Packet::PubAck(ack.pkid.into()),
        Theirs::PubRec(rec) => Packet::PubRec(rec.pkid.into()),
        Theirs::PubRel(rel) => Packet::PubRel(rel.pkid.into()),
        Theirs::PubComp(comp) => Packet::PubComp(comp.pkid.into()),
        Theirs::SubAck(ack) => Packet::SubAck {
            id: ack.pkid,
            granted: ack
                .return_codes
                .into_iter()
                .map(|code| match code {
                    SubscribeReasonCode::Success(qos) => Ok(from_rumqttc(qos)),
                    SubscribeReasonCode::Failure => Err(Reason::FAILURE),
                })
                .collect(),
        },
        Theirs::UnsubAck(ack) => Packet::UnsubAck { id: ack.pkid },
        Theirs::PingResp => Packet::PingResp,
        Theirs::Disconnect => Packet::Disconnect(Reason::SUCCESS),
        other => return Err(format!("a {}, which a broker never sends here", kind(&other))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], limit: usize) -> Result<Vec<Packet>, String> {
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
        let [Packet::Publish { id: 7, message }] = &all[..] else { panic!("{all:?}") };
        assert_eq!((message.topic(), &message.payload()[..]), ("ünï/b", &b"hello"[..]));
    }

    #[test]
    fn a_topic_that_is_not_utf8_can_still_be_acknowledged() {
        let mut bytes = encoded(b"a/\xff", b"x", 3);
        bytes.extend(encoded(b"a", b"y", 4));
        let all = decode(&bytes, 100).unwrap();
        let [Packet::Unreadable(Unreadable { id: 3, .. }), Packet::Publish { id: 4, .. }] =
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
        let [Packet::Unreadable(big), Packet::Publish { id: 2, .. }] = &all[..] else {
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
        rumqttc::Packet::Connect(connect).write(&mut bytes, usize::MAX).unwrap();
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
