use std::fmt;

/// Quality of service of a message: how hard its delivery is tried.
///
/// See section 4.3 of the MQTT 3.1.1 standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// QoS 0: sent once, not acknowledged, lost if the link is.
    AtMostOnce = 0,
    /// QoS 1: sent until acknowledged; may arrive more than once.
    #[default]
    AtLeastOnce = 1,
    /// QoS 2: acknowledged in two steps, so that it arrives exactly once while both sides keep
    /// their session state.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level with this number, or `None` above 2.
    #[must_use]
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }

    /// The number of this level: 0, 1 or 2.
    #[must_use]
    pub const fn level(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}", self.level())
    }
}
