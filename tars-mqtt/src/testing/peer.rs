use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use rumqttc::{ConnAck, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, SubAck};
use rumqttc::{SubscribeReasonCode, UnsubAck};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};

use crate::message::Message;
use crate::qos::QoS;
use crate::wire::RawPacket;
use crate::wire::v4::{from_rumqttc, to_rumqttc};

/// The other end of a connection that stays in the process: says yes to everything, keeps what is
/// published, and sends what it is told to.
pub(crate) struct Peer {
    connections: mpsc::Receiver<DuplexStream>,
    deliveries: mpsc::Receiver<Delivery>,
    published: Arc<Mutex<Vec<Message>>>,
    next_id: u16,
    /// Deliveries that wait for their answer.
    unanswered: HashMap<u16, oneshot::Sender<()>>,
}

/// A message to be sent.
pub(crate) struct Delivery {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Told when it has been acknowledged; at QoS 0, when it lies in the queues of its handlers.
    pub(crate) done: oneshot::Sender<()>,
}

impl Peer {
    pub(crate) fn new(
        connections: mpsc::Receiver<DuplexStream>,
        deliveries: mpsc::Receiver<Delivery>,
        published: Arc<Mutex<Vec<Message>>>,
    ) -> Self {
        Self { connections, deliveries, published, next_id: 0, unanswered: HashMap::new() }
    }

    /// Serves one connection after the other.
    pub(crate) async fn run(mut self) {
        while let Some(stream) = self.connections.recv().await {
            if let Err(error) = self.serve(stream).await {
                tracing::debug!("the connection in the process ended: {error}");
            }
        }
    }

    async fn serve(&mut self, mut stream: DuplexStream) -> std::io::Result<()> {
        let mut read = BytesMut::new();
        let mut write = BytesMut::new();
        loop {
            loop {
                let received = RawPacket::read(&mut read, usize::MAX);
                match received.map_err(std::io::Error::other)?.map(RawPacket::into_shown) {
                    Some(Packet::Disconnect) => return Ok(()),
                    Some(packet) => self.answer(packet, &mut write),
                    None => break,
                }
            }
            stream.write_all_buf(&mut write).await?;
            tokio::select! {
                count = stream.read_buf(&mut read) => {
                    if count? == 0 {
                        return Ok(());
                    }
                }
                Some(delivery) = self.deliveries.recv() => self.deliver(delivery, &mut write),
            }
        }
    }

    fn answer(&mut self, packet: Packet, write: &mut BytesMut) {
        let answer = match packet {
            Packet::Connect(_) => Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)),
            Packet::Subscribe(subscribe) => Packet::SubAck(SubAck::new(
                subscribe.pkid,
                subscribe
                    .filters
                    .iter()
                    .map(|filter| SubscribeReasonCode::Success(filter.qos))
                    .collect(),
            )),
            Packet::Unsubscribe(unsubscribe) => {
                Packet::UnsubAck(UnsubAck { pkid: unsubscribe.pkid })
            }
            Packet::Publish(publish) => match self.keep(publish) {
                Some(answer) => answer,
                None => return,
            },
            Packet::PubRel(release) => Packet::PubComp(PubComp::new(release.pkid)),
            Packet::PubRec(received) => Packet::PubRel(PubRel::new(received.pkid)),
            Packet::PingReq => Packet::PingResp,
            Packet::PubAck(PubAck { pkid }) | Packet::PubComp(PubComp { pkid }) => {
                if let Some(done) = self.unanswered.remove(&pkid) {
                    // Whoever waits may have given up.
                    let _ = done.send(());
                }
                return;
            }
            _ => return,
        };
        encode(&answer, write);
    }

    fn keep(&mut self, publish: rumqttc::Publish) -> Option<Packet> {
        let qos = from_rumqttc(publish.qos);
        let answer = match qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Packet::PubAck(PubAck::new(publish.pkid))),
            QoS::ExactlyOnce => Some(Packet::PubRec(PubRec::new(publish.pkid))),
        };
        self.published.lock().unwrap_or_else(PoisonError::into_inner).push(Message {
            topic: publish.topic.as_str().into(),
            payload: publish.payload,
            qos,
            retain: publish.retain,
            dup: publish.dup,
        });
        answer
    }

    fn deliver(&mut self, delivery: Delivery, write: &mut BytesMut) {
        let mut publish = rumqttc::Publish::from_bytes(
            delivery.topic,
            to_rumqttc(delivery.qos),
            delivery.payload,
        );
        publish.retain = delivery.retain;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.unanswered.insert(self.next_id, delivery.done);
        if delivery.qos > QoS::AtMostOnce {
            publish.pkid = self.next_id;
        }
        encode(&Packet::Publish(publish), write);
        if delivery.qos == QoS::AtMostOnce {
            // It is not answered, but this is (section 4.3.3), and not before it.
            encode(&Packet::PubRel(PubRel::new(self.next_id)), write);
        }
    }
}

fn encode(packet: &Packet, write: &mut BytesMut) {
    if let Err(error) = packet.write(write, usize::MAX) {
        tracing::error!(%error, "a packet could not be encoded");
    }
}
