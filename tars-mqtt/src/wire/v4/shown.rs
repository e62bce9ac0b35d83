//! Packets as a program that watches the traffic is shown them.

use bytes::Bytes;
use rumqttc::{Packet as Shown, SubscribeFilter, SubscribeReasonCode};

use super::to_rumqttc;
use crate::qos::QoS;
use crate::wire::{Packet, Publish};

/// The same packet in the types of rumqttc; `None` where it has none for it.
pub(crate) fn shown(packet: &Packet) -> Option<Shown> {
    Some(match packet {
        Packet::Publish { id, message } => {
            let mut publish =
                whole(message.topic(), &message.payload, message.qos, message.retain, *id);
            publish.dup = message.dup;
            Shown::Publish(publish)
        }
        Packet::Unreadable(_) => return None,
        Packet::PubAck(ack) => Shown::PubAck(rumqttc::PubAck::new(ack.id)),
        Packet::PubRec(ack) => Shown::PubRec(rumqttc::PubRec::new(ack.id)),
        Packet::PubRel(ack) => Shown::PubRel(rumqttc::PubRel::new(ack.id)),
        Packet::PubComp(ack) => Shown::PubComp(rumqttc::PubComp::new(ack.id)),
        Packet::Subscribe { id, filters } => Shown::Subscribe(rumqttc::Subscribe {
            pkid: *id,
            filters: filters
                .iter()
                .map(|(filter, qos)| SubscribeFilter::new(filter.clone(), to_rumqttc(*qos)))
                .collect(),
        }),
        Packet::SubAck { id, granted } => Shown::SubAck(rumqttc::SubAck::new(
            *id,
            granted
                .iter()
                .map(|granted| match granted {
                    Ok(qos) => SubscribeReasonCode::Success(to_rumqttc(*qos)),
                    Err(_) => SubscribeReasonCode::Failure,
                })
                .collect(),
        )),
        Packet::Unsubscribe { id, filters } => {
            Shown::Unsubscribe(rumqttc::Unsubscribe { pkid: *id, topics: filters.clone() })
        }
        Packet::UnsubAck { id } => Shown::UnsubAck(rumqttc::UnsubAck::new(*id)),
        Packet::PingReq => Shown::PingReq,
        Packet::PingResp => Shown::PingResp,
        Packet::Disconnect(_) => Shown::Disconnect,
    })
}

/// The same for a PUBLISH that goes out.
pub(crate) fn shown_publish(publish: &Publish, id: u16, dup: bool) -> Shown {
    let mut shown = whole(publish.topic(), &publish.payload, publish.qos, publish.retain, id);
    shown.dup = dup;
    Shown::Publish(shown)
}

fn whole(topic: &str, payload: &Bytes, qos: QoS, retain: bool, id: u16) -> rumqttc::Publish {
    let mut publish = rumqttc::Publish::from_bytes(topic, to_rumqttc(qos), payload.clone());
    publish.pkid = id;
    publish.retain = retain;
    publish
}
