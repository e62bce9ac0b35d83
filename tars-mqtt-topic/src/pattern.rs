use std::fmt;

use crate::text::{Unwanted, look};
use crate::{MAX_LEN, MAX_NAME_LEN, PatternError, TopicNameError};

/// How much of a topic a wildcard takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wildcard {
    /// `+` or `{name}`: exactly one level (section 4.7.1.3).
    One,
    /// `#` or `{name..}`: all levels that follow, also none (section 4.7.1.2).
    Rest,
}

/// One level of a pattern: what stands between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Level {
    /// Text that the topic must have at this level.
    Literal(String),
    /// Anything; named when an argument or a field is bound to it.
    Wild(Wildcard, Option<String>),
}

impl Level {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "+" => return Ok(Self::Wild(Wildcard::One, None)),
            "#" => return Ok(Self::Wild(Wildcard::Rest, None)),
            _ => {}
        }
        if text.contains(['+', '#']) {
            return Err(PatternError::WildcardInLevel(text.to_owned()));
        }
        if !text.contains(['{', '}']) {
            return Ok(Self::Literal(text.to_owned()));
        }
        let name = text
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .filter(|name| !name.contains(['{', '}']))
            .ok_or_else(|| PatternError::BraceInLevel(text.to_owned()))?;
        let (identifier, wildcard) = match name.strip_suffix("..") {
            Some(identifier) => (identifier, Wildcard::Rest),
            None => (name, Wildcard::One),
        };
        if !is_identifier(identifier) {
            return Err(PatternError::Name(name.to_owned()));
        }
        Ok(Self::Wild(wildcard, Some(identifier.to_owned())))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Wild(Wildcard::One, None) => f.write_str("+"),
            Self::Wild(Wildcard::Rest, None) => f.write_str("#"),
            Self::Wild(Wildcard::One, Some(name)) => write!(f, "{{{name}}}"),
            Self::Wild(Wildcard::Rest, Some(name)) => write!(f, "{{{name}..}}"),
        }
    }
}

fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && text != "_"
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}

/// A topic filter whose wildcards may have names.
///
/// ```
/// use tars_mqtt_topic::Pattern;
///
/// let pattern = Pattern::parse("sensors/{room}/temperature")?;
/// assert_eq!(pattern.filter(), "sensors/+/temperature");
/// assert_eq!(pattern.names().collect::<Vec<_>>(), ["room"]);
/// # Ok::<(), tars_mqtt_topic::PatternError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    levels: Vec<Level>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When MQTT forbids the filter (section 4.7), or a `{name}` is not a whole level with a name
    /// of its own.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(PatternError::TooLong(text.len()));
        }
        match look(text).0 {
            None => {}
            Some(Unwanted::Nul) => return Err(PatternError::Nul),
            Some(Unwanted::Character(found)) => return Err(PatternError::Character(found)),
            Some(Unwanted::Levels(levels)) => return Err(PatternError::TooManyLevels(levels)),
        }
        if is_shared(text) {
            return Err(PatternError::Shared);
        }
        let levels = text.split('/').map(Level::parse).collect::<Result<Vec<_>, _>>()?;
        let before_last = &levels[..levels.len() - 1];
        if let Some(rest) =
            before_last.iter().find(|level| matches!(level, Level::Wild(Wildcard::Rest, _)))
        {
            return Err(PatternError::RestNotLast(rest.to_string()));
        }
        let pattern = Self { levels };
        let names: Vec<_> = pattern.names().collect();
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(PatternError::RepeatedName((*name).to_owned()));
            }
        }
        Ok(pattern)
    }

    /// The levels, in order.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// The names of its wildcards, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.levels.iter().filter_map(|level| match level {
            Level::Wild(_, Some(name)) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Where the wildcard with this name stands: the index of its level and how much it takes.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<(usize, Wildcard)> {
        self.levels.iter().enumerate().find_map(|(index, level)| match level {
            Level::Wild(wildcard, Some(found)) if found == name => Some((index, *wildcard)),
            _ => None,
        })
    }

    /// The filter to subscribe to, with `+` and `#` in place of the names.
    #[must_use]
    pub fn filter(&self) -> String {
        let mut filter = String::new();
        for (index, level) in self.levels.iter().enumerate() {
            if index > 0 {
                filter.push('/');
            }
            filter.push_str(match level {
                Level::Literal(text) => text,
                Level::Wild(Wildcard::One, _) => "+",
                Level::Wild(Wildcard::Rest, _) => "#",
            });
        }
        filter
    }
}

/// Whether a server may take it for a shared subscription: mosquitto closes the connection over whatever
/// begins like one and is none.
fn is_shared(text: &str) -> bool {
    text.starts_with("$share")
}

/// Checks that a message can be published on a topic name (section 4.7.3).
///
/// # Errors
///
/// When the name is empty, too long, or contains a wildcard or U+0000; and when servers would close
/// the connection over it: control characters, non-characters (section 1.5.3), too many levels, and
/// `$share` or `$SYS` at the beginning.
pub fn check_topic_name(name: &str) -> Result<(), TopicNameError> {
    if name.is_empty() {
        return Err(TopicNameError::Empty);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(TopicNameError::TooLong(name.len()));
    }
    let (unwanted, is_wild) = look(name);
    match unwanted {
        None => {}
        Some(Unwanted::Nul) => return Err(TopicNameError::Nul),
        Some(Unwanted::Character(found)) => return Err(TopicNameError::Character(found)),
        Some(Unwanted::Levels(levels)) => return Err(TopicNameError::TooManyLevels(levels)),
    }
    if is_wild && let Some(wildcard) = name.chars().find(|character| matches!(character, '+' | '#'))
    {
        return Err(TopicNameError::Wildcard(wildcard));
    }
    // mosquitto closes the connection over both.
    if is_shared(name) || name.starts_with("$SYS") {
        return Err(TopicNameError::Reserved);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_wildcards_in_the_filter() {
        for (pattern, filter) in [
            ("llm/request", "llm/request"),
            ("sensors/{room}/temperature", "sensors/+/temperature"),
            ("logs/{path..}", "logs/#"),
            ("{all..}", "#"),
            ("+/{b}/#", "+/+/#"),
            ("/", "/"),
            ("$SYS/#", "$SYS/#"),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().filter(), filter, "{pattern}");
        }
    }

    #[test]
    fn a_name_is_found_at_its_level() {
        let pattern = Pattern::parse("a/{b}/c/{d..}").unwrap();
        assert_eq!(pattern.position("b"), Some((1, Wildcard::One)));
        assert_eq!(pattern.position("d"), Some((3, Wildcard::Rest)));
        assert_eq!(pattern.position("a"), None);
    }

    #[test]
    fn what_mqtt_forbids_is_refused_with_its_reason() {
        use PatternError as E;
        for (pattern, error) in [
            ("", E::Empty),
            ("a\0", E::Nul),
            ("a+/b", E::WildcardInLevel("a+".into())),
            ("a/b#", E::WildcardInLevel("b#".into())),
            ("#/a", E::RestNotLast("#".into())),
            ("{a..}/b", E::RestNotLast("{a..}".into())),
            ("a/x{b}", E::BraceInLevel("x{b}".into())),
            ("a/{b", E::BraceInLevel("{b".into())),
            ("a/{}", E::Name(String::new())),
            ("a/{1}", E::Name("1".into())),
            ("a/{_}", E::Name("_".into())),
            ("{a}/{a}", E::RepeatedName("a".into())),
            ("$share/g/a", E::Shared),
            ("$share", E::Shared),
        ] {
            assert_eq!(Pattern::parse(pattern), Err(error), "{pattern}");
        }
        assert_eq!(Pattern::parse(&"a".repeat(65_536)), Err(E::TooLong(65_536)));
    }

    #[test]
    fn a_topic_name_with_a_wildcard_is_refused() {
        assert_eq!(check_topic_name("a/+"), Err(TopicNameError::Wildcard('+')));
        assert_eq!(check_topic_name("a/#"), Err(TopicNameError::Wildcard('#')));
        assert_eq!(check_topic_name(""), Err(TopicNameError::Empty));
        assert_eq!(check_topic_name("a\0"), Err(TopicNameError::Nul));
        assert_eq!(check_topic_name("ünï/☃ {x}"), Ok(()));
    }

    #[test]
    fn what_makes_servers_close_the_connection_is_refused() {
        for character in ('\u{1}'..=char::MAX).filter(|&character| crate::is_unwanted(character)) {
            let text = format!("a/ü{character}b/c");
            assert_eq!(check_topic_name(&text), Err(TopicNameError::Character(character)));
            assert_eq!(Pattern::parse(&text), Err(PatternError::Character(character)));
        }
        let unwanted =
            ('\0'..=char::MAX).filter(|&character| crate::is_unwanted(character)).count();
        assert_eq!(unwanted, 32 + 33 + 32 + 34);
        for character in [' ', '~', '\u{a0}', '\u{fdcf}', '\u{fdf0}', '\u{fffd}', '\u{10fffd}'] {
            assert_eq!(check_topic_name(&format!("a/{character}")), Ok(()), "{character:?}");
        }
        for text in ["$share/g/a", "$share/", "$share//", "$share", "$shared/a", "$SYS/a"] {
            assert_eq!(check_topic_name(text), Err(TopicNameError::Reserved), "{text}");
        }
        assert_eq!(check_topic_name("a/$share/b"), Ok(()));
        let deep = |levels: usize| vec!["x"; levels].join("/");
        assert_eq!(check_topic_name(&deep(200)), Ok(()));
        assert!(Pattern::parse(&deep(200)).is_ok());
        assert_eq!(check_topic_name(&deep(201)), Err(TopicNameError::TooManyLevels(201)));
        assert_eq!(Pattern::parse(&deep(201)), Err(PatternError::TooManyLevels(201)));
        assert_eq!(check_topic_name(&"/".repeat(4096)), Err(TopicNameError::TooManyLevels(4097)));
        assert_eq!(check_topic_name(&"ü".repeat(2048)), Ok(()));
        assert_eq!(check_topic_name(&"x".repeat(4097)), Err(TopicNameError::TooLong(4097)));
    }
}
