use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

use super::{Id, Timestamp};

/// Something to be spoken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct TtsSay {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// The words.
    pub text: String,
    /// The voice to speak them with.
    pub voice: Option<String>,
    /// Their language.
    pub lang: Option<String>,
    /// The utterance that this answers.
    pub utt_id: Option<String>,
    /// The way to speak: `neutral`, `friendly`.
    pub style: Option<String>,
    /// When what this answers was said.
    pub stt_ts: Option<f64>,
    /// Whether this only says that the wake phrase was heard.
    pub wake_ack: Option<bool>,
    /// Whether this is about the system itself.
    pub system_announce: Option<bool>,
}

/// How speaking goes on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
pub struct TtsStatus {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// What happened.
    pub event: TtsEvent,
    /// What is spoken.
    #[serde(default)]
    pub text: String,
    /// When.
    #[serde(default)]
    pub timestamp: Timestamp,
    /// The utterance, as in [`TtsSay::utt_id`].
    pub utt_id: Option<String>,
    /// Why it happened.
    pub reason: Option<String>,
    /// As in [`TtsSay::wake_ack`].
    pub wake_ack: Option<bool>,
    /// As in [`TtsSay::system_announce`].
    pub system_announce: Option<bool>,
}

/// What happens to something that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TtsEvent {
    /// It begins to be spoken.
    #[default]
    SpeakingStart,
    /// All of it has been spoken.
    SpeakingEnd,
    /// It rests.
    Paused,
    /// It goes on.
    Resumed,
    /// The rest of it is not spoken.
    Stopped,
}

/// Tells the voice what to do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("tts.control")]
pub struct TtsControlCommand {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// What to do.
    pub action: TtsAction,
    /// Why.
    pub reason: Option<String>,
    /// When it was wanted.
    #[serde(default)]
    pub ts: Timestamp,
}

/// What the voice can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TtsAction {
    /// Rest, and keep what is to be said.
    #[default]
    Pause,
    /// Go on.
    Resume,
    /// Say no more of all that was to be said.
    Stop,
    /// Say nothing aloud.
    Mute,
    /// Say everything aloud again.
    Unmute,
}
