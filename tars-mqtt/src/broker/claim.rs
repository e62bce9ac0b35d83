//! How services know the broker on the usual port for one that a service of the same user has started.
//!
//! Whatever listens on 127.0.0.1:1883 can pretend to be such a broker over the network. What it cannot
//! do as another user is hold a lock on a file in a folder that belongs to this one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The port that services without `MQTT_URL` meet on.
pub(crate) const PORT: u16 = 1883;

/// How often, and after which pause, the right is asked for.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// What the file holds once the broker that it stands for listens.
const LISTENING: &[u8] = b"listening\n";

/// The right to be the broker on the usual port, among the processes of one user. It ends with the
/// process at the latest.
#[derive(Debug)]
pub(crate) struct Claim(File);

/// Who has the right.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// Nobody had it; it is the caller's now.
    Now(Claim),
    /// A process of this user has it, maybe this one.
    Already {
        /// Its broker listens.
        listening: bool,
    },
}

impl Claim {
    /// # Errors
    ///
    /// When there is no place for a file that belongs to this user alone.
    pub(crate) fn take() -> io::Result<Claimed> {
        Self::take_in(&std::env::temp_dir())
    }

    fn take_in(temporary: &Path) -> io::Result<Claimed> {
        let mut file = open(&folder(temporary)?.join("broker"))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                Ok(Claimed::Now(Self(file)))
            }
            Err(TryLockError::WouldBlock) => {
                let mut content = Vec::new();
                (&mut file).take(64).read_to_end(&mut content)?;
                Ok(Claimed::Already { listening: content == LISTENING })
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The broker at this address is about to be started: the right to be met there, if it can be had
    /// and is of any use.
    pub(super) async fn of(address: SocketAddr) -> Option<Self> {
        if !serves(address) {
            return None;
        }
        for _ in 0..TRIES {
            match Self::take() {
                Ok(Claimed::Now(claim)) => return Some(claim),
                // One who only looks has it for a moment as well.
                Ok(Claimed::Already { listening: false }) => tokio::time::sleep(PAUSE).await,
                // Then it is not found by others, and works all the same.
                Ok(Claimed::Already { listening: true }) | Err(_) => return None,
            }
        }
        None
    }

    /// The broker that the right was taken for listens.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub(super) fn listening(&mut self) -> io::Result<()> {
        self.0.rewind()?;
        self.0.write_all(LISTENING)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The next one does so as well, a moment after it has the lock.
        let _ = self.0.set_len(0);
    }
}

/// Whether one who connects to 127.0.0.1 on the usual port comes to a broker that listens here.
fn serves(address: SocketAddr) -> bool {
    let IpAddr::V4(ip) = address.ip() else { return false };
    address.port() == PORT && (ip.is_unspecified() || ip == std::net::Ipv4Addr::LOCALHOST)
}

/// A folder of this user's own, in which nobody else can put or take anything.
fn folder(temporary: &Path) -> io::Result<PathBuf> {
    let user = own::user(temporary)?;
    let folder = temporary.join(format!("tars-mqtt-{user}"));
    match own::create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if own::is_own(&std::fs::symlink_metadata(&folder)?, user) {
        return Ok(folder);
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("{} is not a folder of this user's alone", folder.display()),
    ))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whom files belong to.
#[cfg(unix)]
mod own {
    use std::fs::{DirBuilder, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    use std::path::Path;

    /// The number of the user who runs this process: that to whom its new files belong.
    pub(super) fn user(temporary: &Path) -> io::Result<u32> {
        let path = temporary.join(format!("tars-mqtt-{:016x}", fastrand::u64(..)));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let user = file.metadata().map(|metadata| metadata.uid());
        std::fs::remove_file(path)?;
        user
    }

    pub(super) fn create(folder: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(folder)
    }

    pub(super) fn is_own(metadata: &Metadata, user: u32) -> bool {
        metadata.is_dir() && metadata.uid() == user && metadata.mode() & 0o022 == 0
    }
}

/// Where the temporary folder is each user's own.
#[cfg(not(unix))]
mod own {
    use std::fs::Metadata;
    use std::io;
    use std::path::Path;

    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it fails")]
    pub(super) fn user(_temporary: &Path) -> io::Result<u32> {
        Ok(0)
    }

    pub(super) fn create(folder: &Path) -> io::Result<()> {
        std::fs::create_dir(folder)
    }

    pub(super) fn is_own(metadata: &Metadata, _user: u32) -> bool {
        metadata.is_dir()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A temporary folder that is gone when the test is over.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("claim-{:016x}", fastrand::u64(..)));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn take(&self) -> Claimed {
            Claim::take_in(&self.0).unwrap()
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_claim_is_one_process_s_until_it_is_dropped() {
        let temporary = Temporary::new();
        let Claimed::Now(mut claim) = temporary.take() else { panic!("nobody had it") };
        assert!(matches!(temporary.take(), Claimed::Already { listening: false }));
        claim.listening().unwrap();
        assert!(matches!(temporary.take(), Claimed::Already { listening: true }));
        drop(claim);
        let Claimed::Now(_claim) = temporary.take() else { panic!("it was given back") };
        assert!(matches!(temporary.take(), Claimed::Already { listening: false }));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_to_is_not_believed() {
        use std::os::unix::fs::PermissionsExt as _;
        let temporary = Temporary::new();
        drop(temporary.take());
        let folder = folder(&temporary.0).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let error = Claim::take_in(&temporary.0).unwrap_err();
        assert!(error.to_string().contains("this user's alone"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
        std::os::unix::fs::symlink(&temporary.0, &folder).unwrap();
        Claim::take_in(&temporary.0).unwrap_err();
    }

    #[test]
    fn only_a_broker_that_listens_on_the_usual_port_of_127_0_0_1_is_met_there() {
        for (address, met) in [
            ("127.0.0.1:1883", true),
            ("0.0.0.0:1883", true),
            ("127.0.0.1:1884", false),
            ("127.0.0.2:1883", false),
            ("[::1]:1883", false),
        ] {
            assert_eq!(serves(address.parse().unwrap()), met, "{address}");
        }
    }
}
