//! Who the robot is: as it was written down, with the traits as they are now.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::contracts::{
    CharacterSection, CharacterSnapshot, CharacterUpdate, Id, Object, SectionValue,
};

/// How many traits there may be, and how long their names.
const TRAITS: usize = 64;
const LONGEST_NAME: usize = 64;

/// The character, and what its traits were at first.
#[derive(Clone, Debug)]
pub struct Character {
    current: CharacterSnapshot,
    original: Object,
}

/// How the traits change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// One takes a value.
    Trait {
        /// Which.
        name: String,
        /// From 0 to 100.
        value: u8,
    },
    /// All become what they were at first.
    ResetTraits,
}

impl Character {
    /// The character in a TOML file, or without one the one that comes with the program.
    ///
    /// # Errors
    ///
    /// When the file cannot be read as a character.
    pub fn load(path: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Self::parse(include_str!("character.toml")) };
        let at = || {
            let path = path.display();
            format!("CHARACTER_PATH is {path}, and must name a TOML file with a character")
        };
        Self::parse(&std::fs::read_to_string(&path).with_context(at)?).with_context(at)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let current: CharacterSnapshot = toml::from_str(text)?;
        Ok(Self { original: current.traits.clone(), current })
    }

    /// All of it, as a message of its own.
    pub(super) fn snapshot(&self) -> CharacterSnapshot {
        CharacterSnapshot { message_id: Id::default(), ..self.current.clone() }
    }

    /// A section, with no value if there is none of that name; or without a name, all as `all`.
    pub(super) fn section(&self, name: Option<String>) -> CharacterSection {
        let Ok(Value::Object(mut sections)) = serde_json::to_value(&self.current) else {
            unreachable!("a character is an object")
        };
        sections.remove("message_id");
        let value = match &name {
            None => Some(SectionValue::Fields(sections)),
            Some(name) => sections.remove(name).and_then(|value| match value {
                Value::Object(fields) => Some(SectionValue::Fields(fields)),
                Value::String(text) => Some(SectionValue::Text(text)),
                _ => None,
            }),
        };
        let section = name.unwrap_or_else(|| "all".to_owned());
        CharacterSection { section, value, ..CharacterSection::default() }
    }

    /// Whether the change makes a difference.
    pub(super) fn differs(&self, change: &Change) -> bool {
        match change {
            Change::Trait { name, value } => {
                let now = self.current.traits.get(name);
                let has_room = now.is_some() || self.current.traits.len() < TRAITS;
                has_room && now.and_then(Value::as_u64) != Some((*value).into())
            }
            Change::ResetTraits => self.current.traits != self.original,
        }
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Trait { name, value } => {
                self.current.traits.insert(name.clone(), (*value).into());
            }
            Change::ResetTraits => self.current.traits = self.original.clone(),
        }
    }
}

impl TryFrom<CharacterUpdate> for Change {
    type Error = anyhow::Error;

    fn try_from(update: CharacterUpdate) -> anyhow::Result<Self> {
        match update {
            CharacterUpdate::Trait(update) => {
                let section = update.section;
                ensure!(section == "traits", "`section` is {section:?}, and must be \"traits\"");
                let length = update.name.chars().count();
                ensure!(
                    (1..=LONGEST_NAME).contains(&length),
                    "`name` has {length} characters, and must have 1 to {LONGEST_NAME}"
                );
                Ok(Self::Trait { name: update.name, value: update.value })
            }
            CharacterUpdate::Reset(reset) => {
                let action = reset.action;
                ensure!(
                    action == "reset_traits",
                    "`action` is {action:?}, and must be \"reset_traits\""
                );
                Ok(Self::ResetTraits)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::contracts::{CharacterResetTraits, CharacterTraitUpdate};

    fn character() -> Character {
        Character::load(None).unwrap()
    }

    fn sets(section: &str, name: &str, value: u8) -> CharacterUpdate {
        let (section, name) = (section.to_owned(), name.to_owned());
        CharacterUpdate::Trait(CharacterTraitUpdate {
            section,
            name,
            value,
            ..CharacterTraitUpdate::default()
        })
    }

    #[test]
    fn traits_change_and_become_again_what_they_were() {
        let mut character = character();
        let before = character.snapshot().traits;
        character.apply(&sets("traits", "humor", 7).try_into().unwrap());
        character.apply(&sets("traits", "patience", 9).try_into().unwrap());
        let traits = character.snapshot().traits;
        assert_eq!((&traits["humor"], &traits["patience"]), (&json!(7), &json!(9)));
        assert_eq!(traits["honesty"], before["honesty"]);
        let reset = CharacterUpdate::Reset(CharacterResetTraits::default());
        character.apply(&reset.try_into().unwrap());
        assert_eq!(character.snapshot().traits, before);
    }

    #[test]
    fn what_cannot_be_changed_is_refused_with_what_can() {
        let error = Change::try_from(sets("voice", "pace", 1)).unwrap_err().to_string();
        assert_eq!(error, r#"`section` is "voice", and must be "traits""#);
        let reset = CharacterResetTraits { action: "forget".into(), ..Default::default() };
        let error = Change::try_from(CharacterUpdate::Reset(reset)).unwrap_err().to_string();
        assert_eq!(error, r#"`action` is "forget", and must be "reset_traits""#);
    }

    #[test]
    fn a_section_is_an_object_or_a_text_or_nothing() {
        let value = |name: &str| character().section(Some(name.into())).value;
        assert_eq!(value("name"), Some(SectionValue::Text("TARS".into())));
        let Some(SectionValue::Fields(traits)) = value("traits") else { panic!() };
        assert_eq!(traits["honesty"], 90);
        assert_eq!(value("soul"), None);
        let all = character().section(None);
        let Some(SectionValue::Fields(sections)) = all.value else { panic!() };
        assert_eq!((&*all.section, &sections["name"]), ("all", &json!("TARS")));
    }

    #[test]
    fn a_file_that_is_no_character_is_an_error_that_names_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("character.toml");
        std::fs::write(&path, "nam = 'TARS'").unwrap();
        let error = format!("{:#}", Character::load(Some(path)).unwrap_err());
        assert!(error.contains("CHARACTER_PATH is") && error.contains("`name`"), "{error}");
    }
}
