use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::defaults::{english, yes};
use super::{Id, Timestamp, bounds};

/// What was said, when the utterance is over.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("stt.final")]
pub struct FinalTranscript {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// The words.
    pub text: String,
    /// Their language.
    #[serde(default = "english")]
    #[default(english())]
    pub lang: String,
    /// How sure the recogniser is, from 0 to 1.
    #[serde(default, deserialize_with = "bounds::confidence")]
    pub confidence: Option<f64>,
    /// The utterance, which what follows from it refers to.
    pub utt_id: Option<String>,
    /// When it was said.
    #[serde(default)]
    pub ts: Timestamp,
    /// Always true.
    #[serde(default = "yes")]
    #[default = true]
    pub is_final: bool,
}

/// What was said until now, while the utterance goes on.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("stt.partial", qos = 0)]
pub struct PartialTranscript {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// The words.
    pub text: String,
    /// Their language.
    #[serde(default = "english")]
    #[default(english())]
    pub lang: String,
    /// How sure the recogniser is, from 0 to 1.
    #[serde(default, deserialize_with = "bounds::confidence")]
    pub confidence: Option<f64>,
    /// The utterance.
    pub utt_id: Option<String>,
    /// When it was said.
    #[serde(default)]
    pub ts: Timestamp,
    /// Always false.
    #[serde(default)]
    pub is_final: bool,
}

/// The spectrum of what the microphone hears.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("stt.audio_fft", qos = 0)]
pub struct AudioFftData {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Magnitudes.
    pub fft_data: Vec<f64>,
    /// Samples per second, at least 1.
    #[serde(deserialize_with = "bounds::sample_rate")]
    #[default = 16_000]
    pub sample_rate: u32,
    /// When it was heard.
    #[serde(default)]
    pub ts: Timestamp,
}
