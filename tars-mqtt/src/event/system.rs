use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use tars_mqtt_topic::TopicNameError;

use super::contract::Event;
use crate::error::{Error, Result};
use crate::qos::QoS;

/// How a service is, kept by the broker on `system/health/{client_id}`.
///
/// A service publishes its own through [`Client::health`](crate::Client::health). To follow others:
///
/// ```
/// use tars_mqtt::{HealthStatus, prelude::*};
///
/// #[subscribe("system/health/{service}")]
/// async fn watch(service: String, status: HealthStatus) {
///     println!("{service} is {}", if status.ok { "well" } else { "not well" });
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthStatus {
    /// Id of this report: 32 hex digits.
    pub message_id: String,
    /// Whether the service is well.
    pub ok: bool,
    /// What happened: `ready`, `reconnected`, `shutdown`, `offline`, or a text of the service's.
    pub event: Option<String>,
    /// What is wrong.
    pub err: Option<String>,
    /// When, in seconds since the Unix epoch.
    pub timestamp: f64,
}

impl Event for HealthStatus {
    const TYPE: &'static str = "health.status";
    const TOPIC: &'static str = "system/health/{client_id}";
    const RETAIN: bool = true;

    /// Always an error: only a client knows its id, and publishes its health itself.
    fn topic(&self) -> Result<Cow<'static, str>> {
        Err(Error::Topic { topic: Self::TOPIC.to_owned(), reason: TopicNameError::Wildcard('+') })
    }
}

/// A sign of life on `system/keepalive/{client_id}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Heartbeat {
    pub(crate) ok: bool,
    pub(crate) event: &'static str,
    pub(crate) timestamp: f64,
}

impl Event for Heartbeat {
    const TYPE: &'static str = "heartbeat";
    const TOPIC: &'static str = "system/keepalive/{client_id}";
    const QOS: QoS = QoS::AtMostOnce;
    const BARE: bool = true;
}

/// A message that a handler could not deal with, on the topic in its option `dead_letter`.
///
/// ```
/// use tars_mqtt::{DeadLetter, prelude::*};
///
/// #[subscribe("dead/llm")]
/// async fn bury(letter: DeadLetter) {
///     eprintln!("{} failed after {} attempts: {}", letter.handler, letter.attempts, letter.reason);
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The topic on which the message came.
    pub topic: String,
    /// Its payload: as text, or in hexadecimal where it is not UTF-8.
    pub payload: String,
    /// How `payload` is written: `utf-8` or `hex`.
    pub encoding: String,
    /// Why the last attempt failed.
    pub reason: String,
    /// The handler that failed.
    pub handler: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Whether something had to be cut off for the letter to keep within the limit
    /// (`MQTT_MAX_PACKET_SIZE`): mostly of the payload. Left out of a letter that is whole.
    #[serde(default, skip_serializing_if = "is_false")]
    pub truncated: bool,
    /// The bytes that the whole payload had, where the letter is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Event for DeadLetter {
    const TYPE: &'static str = "dead.letter";
    const TOPIC: &'static str = "#";

    /// Always an error: the topic is the handler's choice.
    fn topic(&self) -> Result<Cow<'static, str>> {
        Err(Error::Topic { topic: Self::TOPIC.to_owned(), reason: TopicNameError::Wildcard('#') })
    }
}
