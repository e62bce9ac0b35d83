use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::{Id, Timestamp};

/// How a service is. Each publishes its own through the framework; this is for those who watch others,
/// and for services of another name than their client id.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("health.status", topic = "system/health/{service}", retain)]
pub struct HealthPing {
    /// Whose health it is. Stands in the topic alone.
    #[serde(skip)]
    pub service: String,
    /// Id of this report.
    #[serde(default)]
    pub message_id: Id,
    /// Whether the service is well.
    #[default = true]
    pub ok: bool,
    /// What happened.
    pub event: Option<String>,
    /// What is wrong.
    pub err: Option<String>,
    /// When.
    #[serde(default)]
    pub timestamp: Timestamp,
}
