use std::fmt;

/// Why a pattern cannot be subscribed to. Its `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatternError {
    /// There is no text at all (MQTT-4.7.3-1).
    Empty,
    /// It has this many bytes, more than [`MAX_LEN`](crate::MAX_LEN) (MQTT-4.7.3-3).
    TooLong(usize),
    /// It contains U+0000 (MQTT-4.7.3-2).
    Nul,
    /// It contains this control character or non-character, over which a server may close the
    /// connection (section 1.5.3).
    Character(char),
    /// It has this many levels, more than [`MAX_LEVELS`](crate::MAX_LEVELS).
    TooManyLevels(usize),
    /// `+` or `#` shares this level with other characters (MQTT-4.7.1-2, MQTT-4.7.1-3).
    WildcardInLevel(String),
    /// `#` or `{name..}` stands before the last level (MQTT-4.7.1-2).
    RestNotLast(String),
    /// A brace that does not open and close a whole level.
    BraceInLevel(String),
    /// The name between the braces is not a Rust identifier.
    Name(String),
    /// The same name stands in two levels.
    RepeatedName(String),
    /// A shared subscription written out.
    Shared,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a topic filter cannot be empty; write `#` for every topic"),
            Self::TooLong(len) => {
                write!(f, "this topic filter has {len} bytes; MQTT allows {}", crate::MAX_LEN)
            }
            Self::Nul => write!(f, "a topic filter cannot contain the character U+0000"),
            Self::Character(found) => write!(
                f,
                "a topic filter with the character {found:?} makes servers close the connection; \
                 leave it out"
            ),
            Self::TooManyLevels(levels) => write!(
                f,
                "this topic filter has {levels} levels, and servers take {}; write `#` for the rest",
                crate::MAX_LEVELS
            ),
            Self::WildcardInLevel(level) => write!(
                f,
                "a wildcard takes a whole level, but this level is `{level}`; \
                 write `+` for the level, or spell it out"
            ),
            Self::RestNotLast(level) => write!(
                f,
                "`{level}` matches all that follows and must be the last level; \
                 write `+` or `{{name}}` for a single level"
            ),
            Self::BraceInLevel(level) => write!(
                f,
                "a parameter takes a whole level, but this level is `{level}`; \
                 write `{{name}}` between two slashes"
            ),
            Self::Name(name) => write!(
                f,
                "`{{{name}}}` does not name an argument; write `{{name}}` for one level or \
                 `{{name..}}` for the rest of the topic"
            ),
            Self::RepeatedName(name) => {
                write!(f, "`{{{name}}}` stands here twice; give each level its own name")
            }
            Self::Shared => write!(
                f,
                "a shared subscription is written as an option: `group = \"name\"` instead of \
                 `$share/name/`"
            ),
        }
    }
}

impl std::error::Error for PatternError {}

/// Why nothing can be published on a topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicNameError {
    /// There is no text at all (MQTT-4.7.3-1).
    Empty,
    /// It has this many bytes, more than [`MAX_NAME_LEN`](crate::MAX_NAME_LEN).
    TooLong(usize),
    /// It contains U+0000 (MQTT-4.7.3-2).
    Nul,
    /// It contains this control character or non-character, over which a server may close the
    /// connection (section 1.5.3).
    Character(char),
    /// It has this many levels, more than [`MAX_LEVELS`](crate::MAX_LEVELS).
    TooManyLevels(usize),
    /// It contains this wildcard (MQTT-3.3.2-2).
    Wildcard(char),
    /// It begins with `$share` or `$SYS`, which are the server's.
    Reserved,
}

impl fmt::Display for TopicNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "a topic name cannot be empty"),
            Self::TooLong(len) => {
                write!(
                    f,
                    "this topic name has {len} bytes, and servers take {}",
                    crate::MAX_NAME_LEN
                )
            }
            Self::Nul => write!(f, "a topic name cannot contain the character U+0000"),
            Self::Character(found) => write!(
                f,
                "a topic name with the character {found:?} makes servers close the connection; \
                 leave it out"
            ),
            Self::TooManyLevels(levels) => {
                write!(
                    f,
                    "this topic name has {levels} levels, and servers take {}",
                    crate::MAX_LEVELS
                )
            }
            Self::Reserved => write!(
                f,
                "a topic name that begins with `$share` or `$SYS` makes servers close the connection: \
                 these are their own"
            ),
            Self::Wildcard(found) => write!(
                f,
                "a message is published on one topic, which cannot contain the wildcard `{found}`"
            ),
        }
    }
}

impl std::error::Error for TopicNameError {}
