use bytes::Bytes;

use crate::error::Error;
use crate::message::Message;
use crate::qos::QoS;

/// A message on its way to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
}

impl Publish {
    pub(crate) fn new(topic: String, payload: Bytes, qos: QoS, retain: bool) -> Self {
        Self { topic, payload, qos, retain }
    }

    pub(crate) fn qos(&self) -> QoS {
        self.qos
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// The message as it comes back to whoever subscribes to it.
    pub(crate) fn as_message(&self) -> Message {
        Message {
            topic: self.topic().into(),
            payload: self.payload.clone(),
            qos: self.qos,
            retain: false,
            dup: false,
        }
    }

    /// Bytes of topic and payload.
    pub(crate) fn len(&self) -> usize {
        self.topic.len() + self.payload.len()
    }

    /// Bytes that follow the fixed header (section 3.3).
    pub(super) fn remaining(&self) -> usize {
        let id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        2 + self.len() + id
    }

    /// The size of the whole packet.
    pub(crate) fn size(&self) -> usize {
        let remaining = self.remaining();
        let length = match remaining {
            ..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            _ => 4,
        };
        1 + length + remaining
    }

    #[cfg(test)]
    pub(crate) fn payload(&self) -> &[u8] {
        &self.payload
    }

    pub(crate) fn check_size(&self, limit: usize) -> Result<(), Error> {
        let size = self.size();
        if size > limit { Err(Error::TooLarge { size, limit }) } else { Ok(()) }
    }
}

/// The message that the broker publishes if this client vanishes (section 3.1.2.5).
#[derive(Clone, Debug)]
pub(crate) struct LastWill {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
}
