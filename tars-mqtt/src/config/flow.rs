use super::Config;
use super::read::{boolean, whole};
use super::settings::{BOOLEAN, Setting, keeps, set};

/// How messages flow to the broker and back.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    max_in_flight: usize,
    max_in_flight_qos2: usize,
    max_publish_attempts: u32,
    resubscribe: bool,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            max_in_flight: 256,
            max_in_flight_qos2: 1,
            max_publish_attempts: 5,
            resubscribe: false,
        }
    }
}

pub(super) const MAX_IN_FLIGHT: Setting = Setting {
    name: "MQTT_MAX_INFLIGHT",
    rule: "must be a whole number from 1 to 4096",
    read: |c, text| set(&mut c.flow.max_in_flight, whole(text)),
    show: |c| c.flow.max_in_flight.to_string(),
    check: |c| keeps((1..=4096).contains(&c.flow.max_in_flight)),
};

pub(super) const MAX_IN_FLIGHT_QOS2: Setting = Setting {
    name: "MQTT_MAX_INFLIGHT_QOS2",
    rule: "must be a whole number from 1 to 4096",
    read: |c, text| set(&mut c.flow.max_in_flight_qos2, whole(text)),
    show: |c| c.flow.max_in_flight_qos2.to_string(),
    check: |c| keeps((1..=4096).contains(&c.flow.max_in_flight_qos2)),
};

pub(super) const MAX_PUBLISH_ATTEMPTS: Setting = Setting {
    name: "MQTT_MAX_PUBLISH_ATTEMPTS",
    rule: "must be 0 (as often as it takes), or a whole number from 3",
    read: |c, text| set(&mut c.flow.max_publish_attempts, whole(text)),
    show: |c| c.flow.max_publish_attempts.to_string(),
    check: |c| keeps(!(1..3).contains(&c.flow.max_publish_attempts)),
};

pub(super) const RESUBSCRIBE: Setting = Setting {
    name: "MQTT_RESUBSCRIBE",
    rule: BOOLEAN,
    read: |c, text| set(&mut c.flow.resubscribe, boolean(text)),
    show: |c| c.flow.resubscribe.to_string(),
    check: |_| Ok(()),
};

impl Config {
    /// QoS 1 and 2 messages that may wait for the broker's acknowledgement at the same time, from 1
    /// to 4096. Default: 256.
    #[must_use]
    pub fn max_in_flight(mut self, messages: usize) -> Self {
        self.flow.max_in_flight = messages;
        self
    }

    /// QoS 2 messages that may be under way to the broker at the same time, from 1 to 4096. Not more
    /// than the broker takes: MQTT 3.1.1 has no way to say how many that is or to refuse one, and
    /// mosquitto drops what is beyond its `max_inflight_messages` (20 as it comes) and acknowledges it all
    /// the same. So one after the other is the only number that loses nothing at any broker; where more
    /// are known to be taken, more go out in the same time. Default: 1.
    #[must_use]
    pub fn max_in_flight_qos2(mut self, messages: usize) -> Self {
        self.flow.max_in_flight_qos2 = messages;
        self
    }

    /// Connections that the broker may close in answer to a message, one after the other, before the
    /// message is given up with [`Error::NotAccepted`](crate::Error::NotAccepted): at least 3, or 0
    /// for as many as it takes. After all but two of them the message is set aside, so that others
    /// go out; it is then sent alone. Default: 5.
    #[must_use]
    pub fn max_publish_attempts(mut self, connections: u32) -> Self {
        self.flow.max_publish_attempts = connections;
        self
    }

    /// Whether all filters are subscribed again on each connection, also where the broker kept the
    /// session. What it retains then comes again, and with it changes that were published at QoS 0
    /// while the connection was lost. Default: no.
    #[must_use]
    pub fn resubscribe(mut self, always: bool) -> Self {
        self.flow.resubscribe = always;
        self
    }

    /// The same for the connection of a handler that has one of its own.
    pub(crate) fn isolated(&self, handler: &str) -> Self {
        let mut config = self.clone();
        config.source = Some(self.source_name().to_owned());
        config.client_id = format!("{}-{}", self.client_id, handler.replace("::", "."));
        config.health = false;
        config.heartbeat.enabled = false;
        config
    }

    /// QoS 1 and 2 messages that may be in flight, and those at QoS 2 among them.
    pub(crate) fn in_flight_limits(&self) -> (usize, usize) {
        (self.flow.max_in_flight, self.flow.max_in_flight_qos2)
    }

    pub(crate) fn publish_attempts(&self) -> u32 {
        self.flow.max_publish_attempts
    }

    pub(crate) fn subscribes_always(&self) -> bool {
        self.flow.resubscribe
    }
}
