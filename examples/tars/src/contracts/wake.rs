use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::{Id, bounds};

/// The robot's attention changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct WakeEvent {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// How it changes.
    #[serde(rename = "type")]
    pub kind: WakeKind,
    /// What was being spoken.
    pub tts_id: Option<String>,
    /// How sure the detector is, from 0 to 1.
    #[serde(default, deserialize_with = "bounds::confidence")]
    pub confidence: Option<f64>,
    /// How loud it was, from 0.
    #[serde(default, deserialize_with = "bounds::energy")]
    pub energy: Option<f64>,
    /// Why.
    pub cause: Option<String>,
    /// When.
    pub ts: Option<f64>,
}

impl WakeEvent {
    /// The cause of waking up when something was asked in the same breath.
    pub const QUESTION: &str = "question";
}

/// How attention changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WakeKind {
    /// The wake phrase was heard.
    #[default]
    Wake,
    /// The wake phrase was heard while the robot spoke.
    Interrupt,
    /// What was interrupted goes on.
    Resume,
    /// What was interrupted is given up.
    Cancelled,
    /// Nothing was said in time.
    Timeout,
    /// What only other services know.
    #[serde(untagged)]
    Other(String),
}

/// Tells the microphone what to do.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("wake.mic")]
pub struct WakeMicCommand {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// What to do.
    pub action: MicAction,
    /// Why.
    #[serde(default = "wake")]
    #[default(wake())]
    pub reason: String,
    /// For how many milliseconds, at most.
    #[serde(default, deserialize_with = "bounds::ttl_ms")]
    pub ttl_ms: Option<u64>,
}

fn wake() -> String {
    "wake".to_owned()
}

/// What the microphone can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MicAction {
    /// Listen no more.
    #[default]
    Mute,
    /// Listen again.
    Unmute,
}
