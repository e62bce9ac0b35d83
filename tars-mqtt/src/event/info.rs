use super::Event;
use crate::qos::QoS;

/// What is known of an event while the program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventInfo {
    /// [`Event::TYPE`](crate::Event::TYPE)
    pub event_type: &'static str,
    /// [`Event::TOPIC`](crate::Event::TOPIC)
    pub topic: &'static str,
    /// [`Event::QOS`](crate::Event::QOS)
    pub qos: QoS,
    /// [`Event::RETAIN`](crate::Event::RETAIN)
    pub retain: bool,
}

impl EventInfo {
    /// What is known of an event.
    #[must_use]
    pub const fn of<E: Event>() -> Self {
        Self { event_type: E::TYPE, topic: E::TOPIC, qos: E::QOS, retain: E::RETAIN }
    }
}
