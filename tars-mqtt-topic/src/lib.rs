//! Topic names, topic filters and patterns of MQTT 3.1.1 (section 4.7).
//!
//! One grammar serves the macros, which check a handler while it compiles, and the runtime, which
//! routes messages to it:
//!
//! - a *topic name* is what a message is published on: `sensors/kitchen/temperature`;
//! - a *filter* is what is subscribed to: `sensors/+/temperature`, `logs/#`;
//! - a *pattern* is a filter whose wildcards may have names: `sensors/{room}/temperature` for `+`,
//!   `logs/{path..}` for `#`.
//!
//! Matching works on borrowed text and in constant expressions, and never allocates.

mod error;
mod matching;
mod pattern;
mod text;

pub use error::{PatternError, TopicNameError};
pub use matching::{covers, matches, patterns_overlap};
pub use pattern::{Level, Pattern, Wildcard, check_topic_name};
pub use text::is_unwanted;

/// The longest topic name or filter in bytes (section 1.5.3: a string's length takes two bytes).
pub const MAX_LEN: usize = 65_535;

/// The most levels of a topic name or filter. MQTT sets no limit, but mosquitto closes the connection
/// beyond this one.
pub const MAX_LEVELS: usize = 200;

/// The longest topic name that is published. Shorter than what MQTT allows: many servers take no longer
/// ones, and the embedded broker for one closes the connection.
pub const MAX_NAME_LEN: usize = 4096;
