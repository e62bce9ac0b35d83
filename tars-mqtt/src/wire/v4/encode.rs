use bytes::{BufMut as _, BytesMut};

use super::shown::shown;
use crate::qos::QoS;
use crate::wire::{Packet, Publish};

/// Writes a PUBLISH (section 3.3).
pub(crate) fn publish(publish: &Publish, id: u16, dup: bool, out: &mut BytesMut) {
    let flags = (u8::from(dup) << 3) | (publish.qos.level() << 1) | u8::from(publish.retain);
    let remaining = publish.remaining();
    out.reserve(5 + remaining);
    out.put_u8(0x30 | flags);
    put_length(remaining, out);
    // Topics are checked when a message is handed in.
    out.put_u16(u16::try_from(publish.topic.len()).unwrap_or(u16::MAX));
    out.put_slice(publish.topic.as_bytes());
    if publish.qos != QoS::AtMostOnce {
        out.put_u16(id);
    }
    out.put_slice(&publish.payload);
}

/// The remaining length (section 2.2.3).
fn put_length(mut length: usize, out: &mut BytesMut) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or_default();
        length >>= 7;
        out.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
}

/// Writes an acknowledgement, if the packet is one (sections 3.4 to 3.7).
fn acknowledgement(packet: &Packet, out: &mut BytesMut) -> bool {
    let (first, ack) = match packet {
        Packet::PubAck(ack) => (0x40, ack),
        Packet::PubRec(ack) => (0x50, ack),
        Packet::PubRel(ack) => (0x62, ack),
        Packet::PubComp(ack) => (0x70, ack),
        _ => return false,
    };
    let [high, low] = ack.id.to_be_bytes();
    out.extend_from_slice(&[first, 2, high, low]);
    true
}

/// Writes any packet but a PUBLISH that goes out.
///
/// # Errors
///
/// When it cannot be encoded.
pub(crate) fn packet(packet: &Packet, out: &mut BytesMut) -> Result<(), String> {
    if acknowledgement(packet, out) {
        return Ok(());
    }
    let Some(packet) = shown(packet) else { return Err("it cannot be written".to_owned()) };
    packet.write(out, usize::MAX).map(drop).map_err(|error| error.to_string())
}
