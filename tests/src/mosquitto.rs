use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::brokers::not_run;
use crate::eventually;
use crate::process::signal;

/// Set where mosquitto must be there, so that no test against it is left out unnoticed.
const REQUIRED: &str = "TARS_MQTT_REQUIRE_MOSQUITTO";

/// A mosquitto of its own for one test, in a process.
pub struct Mosquitto {
    program: PathBuf,
    port: u16,
    folder: TempDir,
    process: Option<Child>,
}

impl Mosquitto {
    /// Starts one on a free port. `None`, and said on standard error, where it is not installed.
    pub async fn start() -> Option<Self> {
        Self::start_with("allow_anonymous true\n").await
    }

    /// Starts one with further lines in its configuration.
    pub async fn start_with(settings: &str) -> Option<Self> {
        let Some(program) = find() else {
            assert!(
                std::env::var_os(REQUIRED).is_none(),
                "mosquitto is not installed, and {REQUIRED} is set: apt-get install mosquitto"
            );
            not_run("against mosquitto, which is not installed");
            return None;
        };
        let folder = TempDir::new().expect("a temporary folder");
        let port = free_port();
        let path = folder.path().display();
        // As another user than the one who runs the tests it could not write into the folder.
        let config = format!(
            "user root\nlistener {port} 127.0.0.1\npersistence true\npersistence_location {path}/\n\
             max_queued_messages 0\n\
             log_type none\n{settings}"
        );
        std::fs::write(folder.path().join("mosquitto.conf"), config).expect("a configuration");
        let mut broker = Self { program, port, folder, process: None };
        broker.restart().await;
        Some(broker)
    }

    /// Starts it again, on the same port and with what it had stored.
    pub async fn restart(&mut self) {
        self.kill();
        let process = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("mosquitto.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        self.process = Some(process);
        let address = format!("127.0.0.1:{}", self.port);
        let mut up = false;
        while !up {
            up = TcpStream::connect(&address).await.is_ok();
            if !up {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                let ended = self.process.as_mut().and_then(|child| child.try_wait().ok().flatten());
                assert!(ended.is_none(), "mosquitto ended: {ended:?}");
            }
        }
    }

    /// Ends it in order, so that it stores what it has.
    pub async fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            signal(process.id(), "TERM");
            eventually("mosquitto ends", || process.try_wait().is_ok_and(|end| end.is_some()))
                .await;
            self.process = None;
        }
    }

    /// When it last stored what it has.
    pub fn stored(&self) -> Option<SystemTime> {
        std::fs::metadata(self.folder.path().join("mosquitto.db")).ok()?.modified().ok()
    }

    /// Lets it store what it has now, and waits until it has.
    pub async fn store(&self) {
        let before = self.stored();
        self.signal("USR1");
        eventually("mosquitto stores", || self.stored() != before).await;
    }

    /// Sends it a signal, if it runs: `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            signal(process.id(), name);
        }
    }

    /// Ends it at once, with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("mosquitto"))
        .find(|program| program.is_file())
}

/// A port that nobody uses, and that the system gives to no connection as its own: a client that tries
/// such a port again and again, while nobody listens there, may in the end be connected to itself.
pub fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let mut ports = std::iter::repeat_with(|| fastrand::u16(10_000..30_000)).take(1_000);
    ports.find(is_free).expect("a free port")
}
