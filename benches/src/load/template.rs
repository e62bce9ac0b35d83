use bytes::BytesMut;
use rumqttc::{Publish, QoS};
use serde::Serialize;
use tars_mqtt::Event;

use crate::message::{ID_AT, envelope};

/// An encoded PUBLISH that gets a new id in place for each message.
#[derive(Debug)]
pub struct Template {
    packet: Vec<u8>,
    packet_id_at: Option<usize>,
    id_at: usize,
}

impl Template {
    /// For this event.
    pub fn of<E: Event + Serialize>(event: &E, qos: u8) -> anyhow::Result<Self> {
        let payload = envelope(event);
        let level = if qos == 0 { QoS::AtMostOnce } else { QoS::AtLeastOnce };
        let mut publish = Publish::new(E::TOPIC, level, payload.clone());
        publish.pkid = u16::from(qos);
        let mut packet = BytesMut::new();
        publish.write(&mut packet)?;
        let payload_at = packet.len() - payload.len();
        Ok(Self {
            packet: packet.to_vec(),
            packet_id_at: (qos > 0).then(|| payload_at - 2),
            id_at: payload_at + ID_AT,
        })
    }

    /// The packet, with ids that follow from a number.
    pub fn number(&mut self, number: u64) -> &[u8] {
        if let Some(at) = self.packet_id_at {
            let id = u16::try_from(number % 60_000).unwrap_or_default() + 1;
            self.packet[at..at + 2].copy_from_slice(&id.to_be_bytes());
        }
        let mut rest = number;
        for digit in self.packet[self.id_at..self.id_at + 16].iter_mut().rev() {
            *digit = b"0123456789abcdef"[(rest % 16) as usize];
            rest /= 16;
        }
        &self.packet
    }
}
