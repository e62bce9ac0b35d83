//! A file that records are added to, one JSON text a line. What was added survives whatever happens to
//! the process or the machine.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many bytes the file may have; then nothing more is added.
pub(super) const LARGEST: u64 = 256 << 20;

/// Open for adding, by one process at a time.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// How far the file consists of whole records.
    length: u64,
}

impl Journal {
    /// Opens or makes the file, and reads what is in it, but for a last line that was cut off because
    /// the process or the machine ended while it was being written. The next record takes its place.
    pub(super) fn open<T: DeserializeOwned>(path: &Path) -> anyhow::Result<(Self, Vec<T>)> {
        let at = || format!("the memory cannot be kept in {}", path.display());
        let mut file = create(path).with_context(at)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let advice = "name another file in MEMORY_PATH, or end the other process";
                bail!("{} is in use by another process; {advice}", path.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(at),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).with_context(at)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let mut records = Vec::new();
        for (line, record) in text[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
            let place = || format!("{}:{}: correct or remove the line", path.display(), line + 1);
            records.push(serde_json::from_slice(record).with_context(place)?);
        }
        Ok((Self { file, length: whole as u64 }, records))
    }

    /// Whether there is no room for more.
    pub(super) fn is_full(&self) -> bool {
        self.length >= LARGEST
    }

    /// Adds a record. It is on disk when this returns, and not in the file at all if it fails.
    pub(super) fn add(&mut self, record: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let torn = self.file.metadata()?.len().saturating_sub(self.length);
        if torn > 0 {
            tracing::warn!("the last {torn} bytes are no whole line, and are written over");
            self.file.set_len(self.length)?;
        }
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.length += line.len() as u64;
        Ok(())
    }
}

/// Opens or makes a file, so that its name is on disk too, and for nobody else to read: it holds what
/// people have said.
fn create(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // It may have been made by a version that let others read it.
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        }
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn open(path: &Path) -> anyhow::Result<(Journal, Vec<u32>)> {
        Journal::open(path)
    }

    #[test]
    fn what_was_added_is_there_at_the_next_start() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("not/yet/there.jsonl");
        let (mut journal, records) = open(&path).unwrap();
        assert!(records.is_empty());
        journal.add(&1).unwrap();
        journal.add(&2).unwrap();
        drop(journal);
        assert_eq!(open(&path).unwrap().1, [1, 2]);
    }

    #[test]
    fn a_last_line_that_was_cut_off_is_left_out_and_written_over() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("torn.jsonl");
        fs::write(&path, "1\n2\n34").unwrap();
        let (mut journal, records) = open(&path).unwrap();
        assert_eq!(records, [1, 2]);
        journal.add(&5).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n5\n");
    }

    #[test]
    fn what_an_attempt_that_failed_has_left_is_written_over() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("full.jsonl");
        let (mut journal, _) = open(&path).unwrap();
        journal.add(&1).unwrap();
        journal.file.write_all(b"2").unwrap();
        journal.add(&3).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n3\n");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_an_error_with_its_number() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("bad.jsonl");
        fs::write(&path, "1\nzwei\n3\n").unwrap();
        let error = format!("{:#}", open(&path).unwrap_err());
        assert!(
            error.contains("bad.jsonl:2: correct or remove the line: expected value"),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = TempDir::new().unwrap();
        let (new, old) = (folder.path().join("new.jsonl"), folder.path().join("old.jsonl"));
        fs::write(&old, "").unwrap();
        fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
        for path in [new, old] {
            let _open = open(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_file_belongs_to_one_process_at_a_time() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("one.jsonl");
        let _first = open(&path).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        assert!(error.contains("MEMORY_PATH"), "{error}");
    }
}
