use std::time::Duration;

use super::DedupeKey;

/// A program's own defaults, which the environment and the configuration file win over.
///
/// `None` leaves the built-in default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// The broker's URL. Built in: none, and one is required.
    pub url: Option<String>,
    /// The client id. Built in: none, and one is required.
    pub client_id: Option<String>,
    /// The name that events carry as their source. Built in: the client id.
    pub source: Option<String>,
    /// Whether health is published. Built in: false.
    pub health: Option<bool>,
    /// How often a heartbeat is published, at least 1 s; `Some(None)` is never. Built in: never.
    pub heartbeat: Option<Option<Duration>>,
    /// For how long duplicates are recognised; `Some(None)` is not at all. Built in: not at all.
    pub dedupe: Option<Option<Duration>>,
    /// Among how many messages duplicates are recognised; more than 0 with `dedupe`. It also
    /// applies when just the time comes from the environment or the file. Built in: 0.
    pub dedupe_max_entries: Option<usize>,
    /// What makes two messages duplicates. Built in: all that a handler sees.
    pub dedupe_key: Option<DedupeKey>,
}
