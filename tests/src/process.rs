use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::eventually;

/// A program to be run, with none of the settings that the tests themselves were started with.
pub struct Program {
    path: String,
    environment: BTreeMap<String, String>,
    input: Input,
}

/// What a program can read.
enum Input {
    Nothing,
    Text(String),
    /// What the test says while it runs.
    Lines,
}

/// A program that runs. Killed when it is dropped.
pub struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Captured,
    errors: Captured,
}

impl Program {
    /// The program at a path, as `env!("CARGO_BIN_EXE_…")` gives it.
    pub fn new(path: &str) -> Self {
        Self { path: path.to_owned(), environment: BTreeMap::new(), input: Input::Nothing }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// Lets it read this. Without, it has nothing to read.
    #[must_use]
    pub fn input(mut self, text: &str) -> Self {
        self.input = Input::Text(text.to_owned());
        self
    }

    /// Lets it read what [`Process::tell`] says.
    #[must_use]
    pub fn listening(mut self) -> Self {
        self.input = Input::Lines;
        self
    }

    pub fn start(self) -> Process {
        let mut command = Command::new(&self.path);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("MQTT_") || text.starts_with("TARS_MQTT_") || text == "RUST_LOG" {
                command.env_remove(&name);
            }
        }
        let mut child = command
            .envs(self.environment)
            .stdin(match self.input {
                Input::Nothing => Stdio::null(),
                Input::Text(_) | Input::Lines => Stdio::piped(),
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", self.path));
        let mut input = child.stdin.take();
        if let Input::Text(text) = self.input {
            let mut stdin = input.take().expect("standard input is a pipe");
            stdin.write_all(text.as_bytes()).expect("the program reads");
        }
        let output = Captured::from(child.stdout.take().expect("standard output is a pipe"));
        let errors = Captured::from(child.stderr.take().expect("standard error is a pipe"));
        Process { child, input, output, errors }
    }
}

impl Process {
    /// Lets it read a line.
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the program listens");
        writeln!(input, "{line}").expect("the program reads");
    }

    /// What it has written to standard output until now.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// What it has written to standard error until now.
    pub fn errors(&self) -> String {
        self.errors.text()
    }

    /// Waits until it has written this to standard output.
    pub async fn says(&self, text: &str) {
        let what = format!("{text:?} on standard output");
        eventually(&what, || self.output().contains(text)).await;
    }

    /// Waits until it has written this to standard error.
    pub async fn logs(&self, text: &str) {
        let what = format!("{text:?} on standard error");
        eventually(&what, || self.errors().contains(text)).await;
    }

    /// The number that the system knows it by.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Ends it at once, with SIGKILL.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end. Everything it wrote has been read then.
    pub async fn end(&mut self) -> ExitStatus {
        let mut status = None;
        let child = &mut self.child;
        eventually("the end of the program", || {
            status = child.try_wait().expect("the program can be waited for");
            status.is_some()
        })
        .await;
        self.output.finish();
        self.errors.finish();
        status.expect("it has ended")
    }

    /// As [`end`](Self::end), with the number that it ended with.
    #[track_caller]
    pub fn exit_code(&mut self) -> impl Future<Output = i32> {
        let caller = std::panic::Location::caller();
        async move {
            let status = self.end().await;
            status.code().unwrap_or_else(|| panic!("{caller}: ended by a signal: {status}"))
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            // What a failed test needs to be understood. The harness shows it.
            eprintln!("standard output:\n{}", self.output());
            eprintln!("standard error:\n{}", self.errors());
        }
    }
}

/// Sends a signal to a process. The shell has this built in, where `kill` need not be installed.
pub(crate) fn signal(process: u32, name: &str) {
    let told = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &process.to_string()])
        .status()
        .expect("sh runs");
    assert!(told.success(), "process {process} cannot be sent {name}");
}

/// What comes out of a pipe, read by a thread of its own so that the program never waits.
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn from(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let shared = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read) = pipe.read(&mut chunk)
                && read > 0
            {
                let mut bytes = shared.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend_from_slice(&chunk[..read]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the pipe is closed.
    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("reading does not panic");
        }
    }
}
