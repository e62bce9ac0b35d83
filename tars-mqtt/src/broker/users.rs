use std::collections::BTreeMap;
use std::fmt;

use mqtt5::broker::AuthResult;
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;

/// The names that may log in, with their passwords.
///
/// Compares in plain: the passwords stand in the program anyway, and a slow hash on the broker's
/// one thread would hold up every client at each login.
#[derive(Clone, Default)]
pub(super) struct Users(BTreeMap<String, String>);

impl Users {
    pub(super) fn insert(&mut self, name: String, password: String) {
        self.0.insert(name, password);
    }

    pub(super) fn check(&self, connect: &ConnectPacket) -> AuthResult {
        let Some(name) = connect.username.as_deref() else {
            return AuthResult::fail(ReasonCode::NotAuthorized);
        };
        let given = connect.password.as_deref().unwrap_or_default();
        match self.0.get(name) {
            Some(password) if same(password.as_bytes(), given) => {
                AuthResult::success_with_user(name)
            }
            _ => AuthResult::fail(ReasonCode::BadUsernameOrPassword),
        }
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Takes the same time wherever two texts of one length differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differing, (a, b)| differing | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_only_in_full() {
        assert!(same(b"", b""));
        assert!(same(b"secret", b"secret"));
        assert!(!same(b"secret", b"secre"));
        assert!(!same(b"secret", b"Secret"));
        assert!(!same(b"secret", b"secreT"));
    }

    #[test]
    fn debug_output_shows_no_password() {
        let mut users = Users::default();
        users.insert("alice".into(), "hunter2".into());
        assert_eq!(format!("{users:?}"), r#"{"alice"}"#);
    }
}
