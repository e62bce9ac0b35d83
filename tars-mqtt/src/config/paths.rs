use std::path::{Path, PathBuf};

use super::files::{open, read_file};
use super::read::Refusal;
use super::secret::Secret;

/// MQTT 3.1.1 section 3.1.3.5: a password's length is two bytes.
pub(super) const PASSWORD_BYTES: usize = 65535;

/// That the PEM file can be opened; what is in it is the TLS library's business.
pub(super) fn readable(path: &Path) -> Result<(), Refusal> {
    open(path).map(drop).map_err(|reason| {
        Refusal::Because(format!("must be the path of a readable PEM file: it {reason}"))
    })
}

pub(super) fn password(path: &str) -> Result<(PathBuf, Secret), Refusal> {
    let path = PathBuf::from(path);
    match read_password(&path) {
        Ok(password) => Ok((path, password)),
        Err(reason) => Err(Refusal::Because(format!(
            "must be the path of a file that holds the password: it {reason}"
        ))),
    }
}

/// The password that a file holds: all of it but one newline at its end.
///
/// # Errors
///
/// What is wrong with the file, as the end of a sentence.
pub(crate) fn read_password(path: &Path) -> Result<Secret, String> {
    let bytes = read_file(path, PASSWORD_BYTES + "\r\n".len())?;
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let line = text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let password = line.unwrap_or(&text);
    match password.len() {
        0 => Err("is empty".to_owned()),
        1..=PASSWORD_BYTES => Ok(Secret::new(password)),
        _ => Err(format!("is longer than {PASSWORD_BYTES} bytes")),
    }
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
        assert_eq!(read(b"\xEF\xBB\xBFsecret\r\n"), Ok("secret".to_owned()));
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
        longest.push_str("xxx");
        assert!(read(longest.as_bytes()).expect_err("a refusal").contains("larger"));
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
