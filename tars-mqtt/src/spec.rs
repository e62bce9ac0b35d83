//! What `#[subscribe]` says of a handler, known while the program is compiled.

use std::time::Duration;

use crate::delivery::Overflow;
use crate::event::EventInfo;
use crate::qos::QoS;

/// What the attribute says of a handler.
#[derive(Clone, Copy, Debug)]
pub struct HandlerSpec {
    /// Module path and name of the function.
    pub name: &'static str,
    /// Where it stands.
    pub file: &'static str,
    /// The line of its attribute.
    pub line: u32,
    /// The filter, with the names of its parameters in braces.
    pub pattern: &'static str,
    /// The event it takes, if it takes one.
    pub event: Option<EventInfo>,
    /// How messages are handed to it.
    pub options: Options,
}

impl HandlerSpec {
    /// The quality of service that is asked of the broker: the option, else that of the event,
    /// else 1.
    #[must_use]
    pub fn qos(&self) -> QoS {
        match (self.options.qos, self.event) {
            (Some(qos), _) => qos,
            (None, Some(event)) => event.qos,
            (None, None) => QoS::AtLeastOnce,
        }
    }

    /// Whether the function stands in this module or below it.
    #[must_use]
    pub fn is_in(&self, module: &str) -> bool {
        self.name.strip_prefix(module).is_some_and(|rest| rest.starts_with("::"))
    }

    /// The handler and where it stands, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("handler {} ({}:{})", self.name, self.file, self.line)
    }
}

/// When a message counts as done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckMode {
    /// When the handler has finished and the broker has its replies.
    #[default]
    OnHandled,
    /// As soon as it has come: a crash loses it, a long run holds nothing up.
    OnReceive,
}

/// What becomes of an event of another type than the handler takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherTypes {
    /// It is passed over in silence.
    Ignore,
    /// It is refused, like what cannot be read.
    Reject,
}

/// The options of `#[subscribe]`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Quality of service to subscribe with.
    pub qos: Option<QoS>,
    /// Messages handled at the same time. Default 1: in order.
    pub concurrency: usize,
    /// Messages that may wait, from which on QoS 0 ones are dropped. Default 256.
    pub queue: usize,
    /// Which QoS 0 message is dropped. Default the oldest.
    pub overflow: Overflow,
    /// How long one attempt may take. Default 30 s; `None` for ever.
    pub timeout: Option<Duration>,
    /// Attempts after the first one. Default 0.
    pub retry: u32,
    /// The shortest and the longest pause before another attempt. Default 100 ms to 5 s.
    pub backoff: (Duration, Duration),
    /// Where messages go that could not be handled.
    pub dead_letter: Option<&'static str>,
    /// When the message is acknowledged. Default when it has been handled.
    pub ack: AckMode,
    /// The group that shares the subscription.
    pub group: Option<&'static str>,
    /// Whether the event may come without its envelope.
    pub accept_bare: bool,
    /// Whether it has a connection of its own, so that it and the others hold up nothing of each
    /// other's.
    pub isolated: bool,
    /// What becomes of events of another type. Default: ignored where another handler of the
    /// service takes them on the topic, else rejected.
    pub other_types: Option<OtherTypes>,
}

impl Options {
    /// What holds where nothing is written.
    pub const DEFAULT: Self = Self {
        qos: None,
        concurrency: 1,
        queue: 256,
        overflow: Overflow::DropOldest,
        timeout: Some(Duration::from_secs(30)),
        retry: 0,
        backoff: (Duration::from_millis(100), Duration::from_secs(5)),
        dead_letter: None,
        ack: AckMode::OnHandled,
        group: None,
        accept_bare: false,
        isolated: false,
        other_types: None,
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}
