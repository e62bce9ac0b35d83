use std::io::IsTerminal as _;
use std::time::Duration;

use crate::vars::Vars;

/// What can be set about hearing.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `STT_LANG`: the language of what is said.
    pub lang: String,
    /// `STT_WAKE_PHRASES`: what may be said while the robot speaks.
    pub wake_phrases: Vec<String>,
    /// `STT_PATIENCE_SEC`: how long to wait for a reaction before the next line is said.
    pub patience: Duration,
    /// Whether the robot may be called while it speaks: only by somebody at a terminal.
    pub may_interrupt: bool,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn from_vars(vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        Ok(Self {
            lang: vars.text("STT_LANG", "en"),
            wake_phrases: vars.texts("STT_WAKE_PHRASES", "hey tars"),
            patience: vars.seconds("STT_PATIENCE_SEC", 3.0)?,
            may_interrupt: std::io::stdin().is_terminal(),
        })
    }
}
