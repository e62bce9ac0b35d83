use std::path::PathBuf;

use crate::vars::Vars;

/// What can be set about the voice.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `TTS_WORDS_PER_MINUTE`: how fast it speaks.
    pub words_per_minute: f64,
    /// `TTS_WAV_DIR`: where espeak-ng writes what is spoken.
    pub wav_dir: Option<PathBuf>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    ///
    /// When a variable cannot be read.
    pub fn from_vars(vars: &Vars<impl Fn(&str) -> Option<String>>) -> anyhow::Result<Self> {
        Ok(Self {
            words_per_minute: vars.number("TTS_WORDS_PER_MINUTE", 170.0, 1.0..=1_000_000.0)?,
            wav_dir: vars.optional("TTS_WAV_DIR").map(PathBuf::from),
        })
    }
}
