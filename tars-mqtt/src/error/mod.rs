//! What can go wrong, in words that say what to do about it.

mod config;

use std::fmt;
use std::time::Duration;

pub use config::{ConfigError, Origin, Problem};

use crate::log::quoted;
use tars_mqtt_topic::{PatternError, TopicNameError};

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of a program, as handlers may return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Everything that can go wrong between a program and its broker.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Settings are missing, malformed or contradictory. Lists all of them.
    Config(ConfigError),
    /// A certificate or key cannot be used.
    Tls(String),
    /// The embedded broker could not be started, or failed while it ran.
    Broker(String),
    /// The broker does not want this client (section 3.2.2.3).
    Refused(Refusal),
    /// The broker refused a subscription (section 3.9.3).
    SubscriptionRefused {
        /// The filter that was asked for.
        filter: String,
        /// Who asked: the handler with its file and line, or the client.
        subscriber: String,
    },
    /// A filter that MQTT forbids.
    Filter {
        /// The filter, as it was given.
        filter: String,
        /// What is wrong with it.
        reason: PatternError,
    },
    /// A topic on which nothing can be published.
    Topic {
        /// The topic, as it would have been.
        topic: String,
        /// What is wrong with it.
        reason: TopicNameError,
    },
    /// A field of an event cannot fill its level of the event's topic.
    TopicField {
        /// The event's topic, with its fields in braces.
        topic: &'static str,
        /// The field.
        field: &'static str,
        /// What it held.
        value: String,
    },
    /// An event cannot be written as JSON.
    Encode {
        /// The event's type.
        event_type: &'static str,
        /// Why not.
        reason: String,
    },
    /// The message's packet is larger than the limit (`MQTT_MAX_PACKET_SIZE`).
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The broker closed the connection whenever this message was sent, as often as
    /// `MQTT_MAX_PUBLISH_ATTEMPTS` says.
    NotAccepted {
        /// The message's topic.
        topic: String,
        /// Connections that were closed.
        closes: u32,
    },
    /// There is no connection, and the message is one that is not kept for later (QoS 0).
    Disconnected,
    /// No answer came, or no acknowledgement, within this time.
    Timeout(Duration),
    /// Answers came, and none of them in time that is right; or none can be told from another
    /// event.
    Answer(String),
    /// The client has shut down.
    Stopped,
    /// The program has no handlers at all.
    NoHandlers,
    /// Two handlers whose subscriptions a broker cannot tell apart for one client.
    Conflict(String),
    /// Handlers ask for a state that was not given to [`App::state`](crate::App::state).
    MissingState(Vec<MissingState>),
    /// What was given to [`App::on_ready`](crate::App::on_ready) failed.
    OnReady(BoxError),
    /// A second signal ended the shutdown before it was finished.
    Interrupted,
    /// The operating system did not let the program listen for signals.
    Signals(std::io::Error),
}

/// A state that a handler asks for and nobody gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingState {
    /// The handler, with its file and line.
    pub handler: String,
    /// The type it asks for.
    pub state: &'static str,
}

/// Why the broker refused a connection (section 3.2.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// It does not speak MQTT 3.1.1.
    ProtocolVersion,
    /// It does not allow this client id.
    ClientId,
    /// User name or password are wrong.
    Credentials,
    /// This client may not connect.
    NotAuthorized,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ProtocolVersion => "the broker does not speak MQTT 3.1.1",
            Self::ClientId => "the broker does not allow this client id; change MQTT_CLIENT_ID",
            Self::Credentials => {
                "the broker refused the login; check the user in MQTT_URL and the password there \
                 or in MQTT_PASSWORD_FILE"
            }
            Self::NotAuthorized => {
                "the broker does not let this client in; check the login and the rights of its \
                 user and client id"
            }
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(problems) => fmt::Display::fmt(problems, f),
            Self::Tls(reason) => write!(f, "TLS: {reason}"),
            Self::Broker(reason) => write!(f, "embedded broker: {reason}"),
            Self::Refused(refusal) => write!(f, "{refusal}"),
            Self::SubscriptionRefused { filter, subscriber } => write!(
                f,
                "the broker refused the subscription to `{filter}` for {subscriber}; \
                 check the rights of this client"
            ),
            Self::Filter { filter, reason } => {
                write!(f, "topic filter `{}`: {reason}", quoted(filter))
            }
            Self::Topic { topic, reason } => write!(f, "topic `{}`: {reason}", quoted(topic)),
            Self::TopicField { topic, field, value } => write!(
                f,
                "`{}` cannot stand for {{{field}}} in the topic `{topic}`: a level cannot contain \
                 `/`, `+`, `#`, control characters or non-characters, and the first one is not \
                 empty and does not begin with `$`",
                quoted(value)
            ),
            Self::Encode { event_type, reason } => {
                write!(f, "an event of type `{event_type}` cannot be sent: {reason}")
            }
            Self::TooLarge { size, limit } => write!(
                f,
                "the packet would have {size} bytes, over the limit of {limit}; \
                 send less, or raise MQTT_MAX_PACKET_SIZE here and at the broker"
            ),
            Self::NotAccepted { topic, closes } => write!(
                f,
                "the broker closed {closes} connections in answer to a message on `{}`; check its \
                 topic, its size and the rights of this client",
                quoted(topic)
            ),
            Self::Disconnected => f.write_str(
                "there is no connection to the broker, and a QoS 0 message is not kept for later",
            ),
            Self::Timeout(limit) => write!(f, "nothing came within {limit:?}"),
            Self::Answer(reason) => write!(f, "there is no answer: {reason}"),
            Self::Stopped => f.write_str("the client has shut down"),
            Self::NoHandlers => f.write_str(
                "there are no handlers: annotate a function with #[subscribe]; if the handlers are \
                 in another crate, name it with `use that_crate as _;`; App::handlers_in keeps \
                 those of one module, whose path `module_path!()` gives",
            ),
            Self::Conflict(reason) => f.write_str(reason),
            Self::MissingState(missing) => {
                for (index, MissingState { handler, state }) in missing.iter().enumerate() {
                    if index > 0 {
                        f.write_str("\n")?;
                    }
                    write!(
                        f,
                        "{handler} asks for State<{state}>, which was never given; \
                         hand one to App::state"
                    )?;
                }
                Ok(())
            }
            Self::OnReady(error) => write!(f, "on_ready: {error}"),
            Self::Interrupted => {
                f.write_str("a second signal ended the shutdown before it was finished")
            }
            Self::Signals(error) => write!(f, "signals cannot be listened for: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Filter { reason, .. } => Some(reason),
            Self::Topic { reason, .. } => Some(reason),
            Self::OnReady(error) => Some(&**error),
            Self::Signals(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConfigError> for Error {
    fn from(problems: ConfigError) -> Self {
        Self::Config(problems)
    }
}
