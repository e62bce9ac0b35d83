use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::read::Refusal;
use super::secret::Secret;

/// MQTT 3.1.1 section 3.1.3.5: a password's length is two bytes.
pub(super) const PASSWORD_BYTES: usize = 65535;

/// That the PEM file can be opened; what is in it is the TLS library's business.
pub(super) fn readable(path: &Path) -> Result<(), Refusal> {
    let opened = File::open(path).and_then(|file| file.metadata());
    match opened {
        Ok(metadata) if metadata.is_dir() => Err(because("is a directory")),
        Ok(_) => Ok(()),
        Err(error) => Err(because(&format!("cannot be read ({error})"))),
    }
}

pub(super) fn password(path: &str) -> Result<(PathBuf, Secret), Refusal> {
    let refused = |reason: &str| {
        Refusal::Because(format!("must be the path of a file that holds the password: it {reason}"))
    };
    let path = PathBuf::from(path);
    let bytes = read_start(&path, PASSWORD_BYTES + "\r\n".len() + 1)
        .map_err(|error| refused(&format!("cannot be read ({error})")))?;
    let text = String::from_utf8(bytes).map_err(|_| refused("is not UTF-8"))?;
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let password = line.unwrap_or(&text);
    match password.len() {
        0 => Err(refused("is empty")),
        1..=PASSWORD_BYTES => Ok((path, Secret::new(password))),
        _ => Err(refused("is longer than 65535 bytes")),
    }
}

/// A path such as `/dev/zero` never ends.
fn read_start(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn because(reason: &str) -> Refusal {
    Refusal::Because(format!("must be the path of a readable PEM file: it {reason}"))
}

#[cfg(test)]
mod tests {
    use super::{PASSWORD_BYTES, password, readable};
    use crate::config::tests::Scratch;

    fn read(content: &[u8]) -> Result<String, String> {
        let file = Scratch::new(content);
        match password(file.path()) {
            Ok((_, secret)) => Ok(secret.expose().to_owned()),
            Err(refusal) => Err(format!("{refusal:?}")),
        }
    }

    #[test]
    fn one_trailing_newline_of_a_password_file_is_dropped() {
        assert_eq!(read(b"secret"), Ok("secret".to_owned()));
        assert_eq!(read(b"secret\n"), Ok("secret".to_owned()));
        assert_eq!(read(b"secret\r\n"), Ok("secret".to_owned()));
        assert_eq!(read(b" secret \n\n"), Ok(" secret \n".to_owned()));
        assert_eq!(read(b"secret\r"), Ok("secret\r".to_owned()));
    }

    #[test]
    fn a_password_file_is_one_that_holds_a_password() {
        assert!(read(b"").expect_err("a refusal").contains("is empty"));
        assert!(read(b"\n").expect_err("a refusal").contains("is empty"));
        assert!(read(b"hunter2\xFF").expect_err("a refusal").contains("is not UTF-8"));
        let mut longest = "x".repeat(PASSWORD_BYTES);
        assert_eq!(read(format!("{longest}\r\n").as_bytes()), Ok(longest.clone()));
        longest.push('x');
        assert!(read(longest.as_bytes()).expect_err("a refusal").contains("longer"));
        assert!(format!("{:?}", password("/no/such/file")).contains("cannot be read"));
        assert!(format!("{:?}", password("")).contains("cannot be read"));
    }

    #[test]
    fn a_pem_path_is_a_file_that_can_be_opened() {
        let file = Scratch::new(b"pem");
        assert_eq!(readable(file.path().as_ref()), Ok(()));
        assert!(format!("{:?}", readable(&std::env::temp_dir())).contains("is a directory"));
        assert!(format!("{:?}", readable("/no/such/file".as_ref())).contains("cannot be read"));
    }
}
