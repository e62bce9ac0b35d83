//! What is allowed, and said in a warning at the start, because it may give a secret away.

use std::path::Path;

use super::Config;
use super::files::open_to_others;
use super::settings::{PASSWORD_FILE, TLS_KEY_FILE, URL};
use crate::log::quoted;

impl Config {
    /// Warns of a login that goes over the network unencrypted, and of secrets that other users of
    /// this machine can read.
    pub(crate) fn warn_of_leaks(&self) {
        if self.login_is_in_the_clear() {
            tracing::warn!(
                broker = %self.url(),
                "user name and password go over the network unencrypted, where others can read \
                 them: write mqtts:// or wss:// in {URL}"
            );
        }
        for (setting, file, rights) in self.files_open_to_others() {
            tracing::warn!(
                setting,
                file = &*quoted(&file.display().to_string()),
                rights,
                "a file with a secret can be read or changed by others than its owner: take that \
                 from them (chmod 600)"
            );
        }
    }

    fn login_is_in_the_clear(&self) -> bool {
        self.login().is_some() && !self.url.scheme().is_tls() && !self.url.is_local()
    }

    fn files_open_to_others(&self) -> Vec<(&'static str, &Path, String)> {
        [(PASSWORD_FILE, self.password_path()), (TLS_KEY_FILE, self.tls.key.as_deref())]
            .into_iter()
            .filter_map(|(name, path)| Some((name, path?, open_to_others(path?)?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_in_the_clear_is_one_to_another_machine_without_tls() {
        let clear = |url: &str| Config::new(url, "svc").unwrap().login_is_in_the_clear();
        assert!(clear("mqtt://me:hunter2@broker.example"));
        assert!(clear("mqtt://ghp_hunter2@10.0.0.1"));
        assert!(!clear("mqtt://broker.example"));
        assert!(!clear("mqtt://me:hunter2@localhost"));
        assert!(!clear("mqtt://me:hunter2@127.0.0.1"));
        assert!(!clear("mqtt://me:hunter2@[::1]"));
        #[cfg(feature = "websocket")]
        assert!(clear("ws://me:hunter2@broker.example"));
        #[cfg(feature = "tls")]
        assert!(!clear("mqtts://me:hunter2@broker.example"));
        let set = Config::new("mqtt://broker.example", "svc").unwrap().credentials("me", "x");
        assert!(set.login_is_in_the_clear());
    }

    #[cfg(unix)]
    #[test]
    fn password_and_key_files_that_others_may_read_are_named() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = crate::config::tests::Scratch::new(b"hunter2");
        let mode = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let mut config = Config::new("mqtt://me@localhost", "svc").unwrap();
        config.password_file = Some((file.path().into(), super::super::Secret::new("hunter2")));
        config.tls.key = Some(file.path().into());
        mode(0o644);
        let open = config.files_open_to_others();
        let names: Vec<_> = open.iter().map(|(name, _, rights)| (*name, &**rights)).collect();
        assert_eq!(names, [(PASSWORD_FILE, "644"), (TLS_KEY_FILE, "644")]);
        mode(0o600);
        assert!(config.files_open_to_others().is_empty());
    }
}
