use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smart_default::SmartDefault;
use tars_mqtt::Event;

use super::{Id, Object, bounds};

/// Asks for the character, or for one section of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("character.get")]
pub struct CharacterGetRequest {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// The section; without, all.
    pub section: Option<String>,
}

/// A section of the character.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("character.result")]
pub struct CharacterSection {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// The section.
    pub section: String,
    /// What stands in it.
    pub value: Option<SectionValue>,
}

/// What stands in a section of the character: an object or a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`value` must be an object, a text or null")]
pub enum SectionValue {
    /// With fields of any kind.
    Fields(Object),
    /// As text.
    Text(String),
}

/// The whole character, kept by the broker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[event("system.character.current", retain)]
pub struct CharacterSnapshot {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// The name.
    pub name: String,
    /// Who that is.
    pub description: Option<String>,
    /// Instructions for the language model.
    pub systemprompt: Option<String>,
    /// Traits, each from 0 to 100.
    #[serde(default)]
    pub traits: Object,
    /// How the voice sounds.
    #[serde(default)]
    pub voice: Object,
    /// What else is known.
    #[serde(default)]
    pub meta: Object,
    /// The scene that the character lives in.
    #[serde(default)]
    pub scenario: Object,
    /// Notes about the personality.
    #[serde(default)]
    pub personality_notes: Object,
    /// Examples of conversations.
    #[serde(default)]
    pub example_interactions: Object,
}

/// Sets a trait.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("character.update")]
#[serde(deny_unknown_fields)]
pub struct CharacterTraitUpdate {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Where the trait stands.
    #[serde(default = "traits")]
    #[default(traits())]
    pub section: String,
    /// The trait.
    #[serde(rename = "trait")]
    pub name: String,
    /// Its new value, from 0 to 100.
    #[serde(deserialize_with = "bounds::trait_value")]
    pub value: u8,
}

/// Sets all traits to what they were at first.
#[derive(Clone, Debug, PartialEq, SmartDefault, Serialize, Deserialize, Event)]
#[event("character.update")]
#[serde(deny_unknown_fields)]
pub struct CharacterResetTraits {
    /// Id of this message.
    #[serde(default)]
    pub message_id: Id,
    /// Always `reset_traits`.
    #[serde(default = "reset_traits")]
    #[default(reset_traits())]
    pub action: String,
}

/// What comes on `character/update`: either of the two kinds of change.
#[derive(Clone, Debug, PartialEq, Serialize, Event)]
#[event("character.update")]
#[serde(untagged)]
pub enum CharacterUpdate {
    /// One trait changes.
    Trait(CharacterTraitUpdate),
    /// All traits are reset.
    Reset(CharacterResetTraits),
}

/// As serde would do it for an untagged enum, but with an error that says what is wrong.
impl<'de> Deserialize<'de> for CharacterUpdate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Object::deserialize(deserializer)?;
        let sets_a_trait =
            ["section", "trait", "value"].iter().any(|key| fields.contains_key(*key));
        let fields = Value::Object(fields);
        if sets_a_trait {
            serde_json::from_value(fields).map(Self::Trait).map_err(D::Error::custom)
        } else {
            serde_json::from_value(fields).map(Self::Reset).map_err(D::Error::custom)
        }
    }
}

fn traits() -> String {
    "traits".to_owned()
}

fn reset_traits() -> String {
    "reset_traits".to_owned()
}
