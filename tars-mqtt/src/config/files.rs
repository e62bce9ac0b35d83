//! Files that settings name: read whole, and never for ever.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

/// The largest PEM file: the authorities of a whole system are a quarter of it.
#[cfg(feature = "tls")]
pub(crate) const PEM_BYTES: usize = 1024 * 1024;

/// What some editors put before a text. No setting and no PEM file begins with it.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a file holds, without a byte order mark.
///
/// Only a regular file is read: reading from a pipe waits until somebody writes into it, and a
/// device may never end. A link to a regular file is one.
///
/// # Errors
///
/// What is wrong with the file, as the end of a sentence that begins with "it" or its path.
pub(crate) fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(&error))?;
    if bytes.len() > limit {
        return Err(format!("is larger than {limit} bytes"));
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err("is UTF-16 text: save it as UTF-8".to_owned());
    }
    Ok(bytes)
}

/// That a file can be opened and is a regular one; what is in it is not looked at.
pub(super) fn open(path: &Path) -> Result<File, String> {
    // Opening a pipe would wait already, so that it is asked for first.
    regular(std::fs::metadata(path))?;
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    regular(file.metadata())?;
    Ok(file)
}

fn regular(metadata: io::Result<Metadata>) -> Result<(), String> {
    let metadata = metadata.map_err(|error| unreadable(&error))?;
    if metadata.is_file() {
        return Ok(());
    }
    let found = if metadata.is_dir() { "a directory" } else { "a pipe, socket or device" };
    Err(format!("is {found}: only a regular file is read"))
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read ({error})")
}

/// The rights of a file that lets others than its owner read or change it, in octal digits.
#[cfg(unix)]
pub(super) fn open_to_others(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (mode & 0o066 != 0).then(|| format!("{mode:03o}"))
}

/// Where there are no such rights, nothing can be said of them.
#[cfg(not(unix))]
pub(super) fn open_to_others(_path: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::Scratch;

    fn read(content: &[u8]) -> Result<Vec<u8>, String> {
        read_file(Scratch::new(content).path().as_ref(), 8)
    }

    #[test]
    fn a_file_is_read_whole_up_to_its_limit_and_without_a_byte_order_mark() {
        assert_eq!(read(b"12345678"), Ok(b"12345678".to_vec()));
        assert_eq!(read(b"\xEF\xBB\xBFabc"), Ok(b"abc".to_vec()));
        assert!(read(b"123456789").unwrap_err().contains("larger than 8 bytes"));
        assert!(read(b"\xFF\xFEa\0").unwrap_err().contains("save it as UTF-8"));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = std::env::temp_dir();
        assert!(read_file(&folder, 8).unwrap_err().contains("is a directory"));
        assert!(read_file("/no/such/file".as_ref(), 8).unwrap_err().contains("cannot be read"));
        #[cfg(unix)]
        {
            let pipe = folder.join(format!("tars-mqtt-pipe-{}", std::process::id()));
            let made = std::process::Command::new("mkfifo").arg(&pipe).status();
            if made.is_ok_and(|status| status.success()) {
                assert!(read_file(&pipe, 8).unwrap_err().contains("only a regular file"));
                let _ = std::fs::remove_file(&pipe);
            }
            for device in ["/dev/zero", "/dev/null"] {
                assert!(read_file(device.as_ref(), 8).unwrap_err().contains("only a regular file"));
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_or_change_is_known() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = Scratch::new(b"hunter2");
        for (mode, open) in
            [(0o600, None), (0o400, None), (0o640, Some("640")), (0o604, Some("604"))]
        {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open_to_others(file.path().as_ref()).as_deref(), open);
        }
    }
}
