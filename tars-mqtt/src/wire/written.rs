use super::{Packet, PacketSink, Publish, RawPacket};
use crate::message::Message;

/// Keeps what is written, for tests to look at.
#[derive(Debug, Default)]
pub(crate) struct Written(pub(crate) Vec<Packet>);

impl PacketSink for Written {
    fn has_room(&self) -> bool {
        true
    }

    fn publish(&mut self, publish: &Publish, id: u16, dup: bool) {
        let message = Message { retain: publish.retain, dup, ..publish.as_message() };
        self.0.push(Packet::Publish { id, message });
    }

    fn send(&mut self, packet: Packet) {
        self.0.push(packet);
    }

    fn send_raw(&mut self, packet: RawPacket) {
        let packet = packet.into_shown();
        unreachable!("no test writes {packet:?}");
    }
}
