use std::fmt;

use bytes::Bytes;

use crate::qos::QoS;
use crate::text::Text;

/// A message as it came from the broker (a PUBLISH packet, section 3.3).
///
/// Cloning it copies no bytes. As an argument of a handler it is the message untouched:
///
/// ```
/// use tars_mqtt::prelude::*;
///
/// #[subscribe("raw/#")]
/// async fn inspect(message: Message) {
///     println!("{} bytes on {}", message.payload().len(), message.topic());
/// }
/// ```
#[derive(Clone)]
pub struct Message {
    pub(crate) topic: Text,
    pub(crate) payload: Bytes,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    pub(crate) dup: bool,
}

impl Message {
    /// The topic it was published on.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic.as_str()
    }

    /// Its content.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The quality of service with which the broker delivered it: the lower of the publisher's
    /// and the subscription's.
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether the broker had kept it and sent it because of a new subscription
    /// (section 3.3.1.3).
    #[must_use]
    pub fn retain(&self) -> bool {
        self.retain
    }

    /// Whether the broker may have sent it before (section 3.3.1.1).
    #[must_use]
    pub fn dup(&self) -> bool {
        self.dup
    }
}

/// What a message costs beside its topic and payload while it is kept.
const OVERHEAD: usize = 256;

impl Message {
    /// The same in memory of its own, where it does not keep what came beside it.
    pub(crate) fn compact(self) -> Self {
        let (topic, payload) = (self.topic.as_str().into(), Bytes::copy_from_slice(&self.payload));
        Self { topic, payload, ..self }
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn cost(&self) -> usize {
        OVERHEAD + self.topic.len() + self.payload.len()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("dup", &self.dup)
            .field("payload_len", &self.payload.len())
            .finish()
    }
}
