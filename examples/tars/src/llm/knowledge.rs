//! What the model is told besides the conversation: who it is, and which tools there are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::contracts::{
    CharacterSection, CharacterSnapshot, Object, SectionValue, ToolSpec, ToolsRegistry,
};

/// What is known now. Cheap to clone; all clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowledge(Arc<Mutex<Known>>);

/// How many sections a character may have, how long one may be, in bytes, and how many tools there may
/// be: the model is told all of it, each time.
const SECTIONS: usize = 64;
const LONGEST_SECTION: usize = 16 << 10;
const TOOLS: usize = 64;

#[derive(Debug, Default)]
struct Known {
    /// The character, section by section.
    character: Object,
    tools: Vec<ToolSpec>,
}

impl Known {
    /// Sets a section, if there is room for it.
    fn set(&mut self, name: String, value: Value) {
        let is_known = self.character.contains_key(&name);
        let has_room = is_known || self.character.len() < SECTIONS;
        if has_room && name.len() + value.to_string().len() <= LONGEST_SECTION {
            self.character.insert(name, value);
        }
    }
}

impl Knowledge {
    pub(super) fn tools(&self, registry: ToolsRegistry) {
        let mut tools = registry.tools;
        tools.truncate(TOOLS);
        self.lock().tools = tools;
    }

    pub(super) fn character(&self, snapshot: CharacterSnapshot) {
        if let Ok(Value::Object(sections)) = serde_json::to_value(snapshot) {
            self.lock().character = sections;
        }
    }

    /// One section of the character, or `all`.
    pub(super) fn section(&self, section: CharacterSection) {
        let mut known = self.lock();
        match section.value {
            Some(SectionValue::Fields(all)) if section.section == "all" => known.character = all,
            Some(SectionValue::Fields(fields)) => {
                known.set(section.section, Value::Object(fields));
            }
            Some(SectionValue::Text(text)) => known.set(section.section, Value::String(text)),
            None => {}
        }
    }

    /// What the robot is called.
    pub(super) fn name(&self) -> String {
        self.text("name").unwrap_or_else(|| "TARS".to_owned())
    }

    /// The instructions for the model, which the character and its traits make.
    pub(super) fn instructions(&self) -> String {
        let name = self.name();
        let text = self.text("systemprompt").unwrap_or_else(|| {
            format!("You are {name}, a robot who speaks with people. Answer in a few sentences.")
        });
        let known = self.lock();
        if let Some(Value::Object(traits)) = known.character.get("traits")
            && !traits.is_empty()
        {
            let list: Vec<_> =
                traits.iter().map(|(name, value)| format!("{name} {value}")).collect();
            return format!("{text}\nYour traits, from 0 to 100: {}.", list.join(", "));
        }
        text
    }

    pub(super) fn offered(&self) -> Vec<ToolSpec> {
        self.lock().tools.clone()
    }

    fn text(&self, section: &str) -> Option<String> {
        Some(self.lock().character.get(section)?.as_str()?.to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_makes_the_instructions() {
        let knowledge = Knowledge::default();
        assert!(knowledge.instructions().starts_with("You are TARS, a robot"));
        let traits = Object::from_iter([("humor".to_owned(), 75.into())]);
        knowledge.character(CharacterSnapshot {
            name: "CASE".into(),
            systemprompt: Some("You are CASE.".into()),
            traits,
            ..CharacterSnapshot::default()
        });
        let text = "You are CASE.\nYour traits, from 0 to 100: humor 75.";
        assert_eq!((knowledge.name(), knowledge.instructions()), ("CASE".into(), text.into()));
    }

    #[test]
    fn there_is_room_for_so_many_sections_of_some_length() {
        let knowledge = Knowledge::default();
        let text = |length: usize| Some(SectionValue::Text("x".repeat(length)));
        for number in 0..1000 {
            let (section, value) = (number.to_string(), text(10));
            knowledge.section(CharacterSection { section, value, ..CharacterSection::default() });
        }
        assert_eq!(knowledge.lock().character.len(), SECTIONS);
        let (section, value) = ("1".to_owned(), text(100_000));
        knowledge.section(CharacterSection { section, value, ..CharacterSection::default() });
        assert_eq!(knowledge.text("1").unwrap().len(), 10);
    }

    #[test]
    fn sections_are_taken_one_by_one_or_all_at_once() {
        let knowledge = Knowledge::default();
        let section = |section: &str, value| {
            let section = section.to_owned();
            knowledge.section(CharacterSection { section, value, ..CharacterSection::default() });
        };
        section("name", Some(SectionValue::Text("CASE".into())));
        section("name", None);
        assert_eq!(knowledge.name(), "CASE");
        let all = Object::from_iter([("name".to_owned(), "KIPP".into())]);
        section("all", Some(SectionValue::Fields(all)));
        assert_eq!(knowledge.name(), "KIPP");
    }
}
