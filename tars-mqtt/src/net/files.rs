use std::path::PathBuf;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::pending::Pending;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::config::{Config, Secret, read_password};
use crate::error::Result;
use crate::log::{LogLimit, quoted};

/// How long the files may take to be read, all together.
const LIMIT: Duration = Duration::from_secs(5);

/// The files that a connection needs: the password's, and those of TLS.
///
/// They are read at the start, where a fault is fatal, and again before each later connection, so
/// that a secret or certificate that was replaced is used without a restart. One that cannot be used
/// then is warned about, and what was read before it goes on being used: somebody may be about to
/// replace it, and the next attempt reads it again.
pub(super) struct Files {
    kept: std::sync::Arc<Kept>,
    reading: Pending<Vec<String>>,
    warnings: LogLimit,
}

/// What was read last and could be used.
struct Kept {
    password: Option<(PathBuf, Mutex<Option<Secret>>)>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl Files {
    /// # Errors
    ///
    /// When the TLS files cannot be used.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "with TLS it fails")
    )]
    pub(super) fn new(config: &Config) -> Result<Self> {
        let password = config.password_path().map(|path| (path.to_owned(), Mutex::default()));
        Ok(Self {
            kept: std::sync::Arc::new(Kept {
                password,
                #[cfg(feature = "tls")]
                tls: config.url().scheme().is_tls().then(|| Tls::new(config)).transpose()?,
            }),
            reading: Pending::default(),
            warnings: LogLimit::default(),
        })
    }

    /// Reads all of them again, on a thread that may wait.
    pub(super) async fn renew(&self) {
        if self.kept.is_empty() {
            return;
        }
        let begin = || {
            let kept = self.kept.clone();
            tokio::task::spawn_blocking(move || kept.renew())
        };
        let problems = self.reading.within(LIMIT, "reading them", begin).await;
        for problem in problems.unwrap_or_else(|error| vec![error.to_string()]) {
            if let Some(suppressed) = self.warnings.allow() {
                tracing::warn!(
                    reason = &*quoted(&problem),
                    suppressed,
                    "the files of password and TLS could not all be read again: what was read \
                     before is used"
                );
            }
        }
    }

    /// The password that the file held when it was last read, if it has been read again.
    pub(super) fn password(&self) -> Option<Secret> {
        let (_, password) = self.kept.password.as_ref()?;
        password.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(&self) -> Option<Arc<rustls::ClientConfig>> {
        self.kept.tls.as_ref().map(Tls::current)
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        #[cfg(feature = "tls")]
        if self.tls.as_ref().is_some_and(Tls::has_files) {
            return false;
        }
        self.password.is_none()
    }

    /// Returns what is wrong with those that cannot be used.
    fn renew(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some((path, kept)) = &self.password {
            match read_password(path) {
                Ok(password) => {
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(password);
                }
                Err(reason) => problems.push(format!("{} {reason}", path.display())),
            }
        }
        #[cfg(feature = "tls")]
        if let Some(Err(reason)) = self.tls.as_ref().map(Tls::renew) {
            problems.push(reason);
        }
        problems
    }
}
