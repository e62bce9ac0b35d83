//! Sound files, written by espeak-ng.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::contracts::TtsSay;

const PROGRAM: &str = "espeak-ng";

/// Writes a file for each thing that is said.
#[derive(Debug)]
pub(super) struct Sound {
    folder: PathBuf,
    words_per_minute: f64,
}

impl Sound {
    /// `None`, and said in the log, where espeak-ng is not installed.
    pub(super) fn into_folder(
        folder: &Path,
        words_per_minute: f64,
    ) -> anyhow::Result<Option<Self>> {
        let version = std::process::Command::new(PROGRAM).arg("--version").output();
        if let Err(error) = version {
            tracing::warn!("{PROGRAM} cannot be run, so no sound is written: {error}");
            return Ok(None);
        }
        std::fs::create_dir_all(folder).with_context(|| {
            let found = folder.display();
            format!("TTS_WAV_DIR is {found}, and must be a folder to write into")
        })?;
        Ok(Some(Self { folder: folder.to_owned(), words_per_minute }))
    }

    /// Writes it to `<milliseconds since 1970>-<utterance>.wav`.
    pub(super) async fn write(&self, say: &TtsSay, said_at: f64) -> anyhow::Result<PathBuf> {
        let utterance = say.utt_id.as_deref().unwrap_or(&say.message_id);
        let utterance: String = utterance.chars().take(64).map(file_char).collect();
        let path = self.folder.join(format!("{:.0}-{utterance}.wav", said_at * 1000.0));
        let mut espeak = Command::new(PROGRAM)
            .arg("-w")
            .arg(&path)
            // The fastest and the slowest that it speaks.
            .args(["-s", &self.words_per_minute.clamp(80.0, 450.0).to_string(), "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = espeak.stdin.take() {
            input.write_all(say.text.as_bytes()).await?;
        }
        let status = espeak.wait().await?;
        ensure!(status.success(), "{PROGRAM} ended with {status}");
        Ok(path)
    }
}

fn file_char(c: char) -> char {
    if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }
}
