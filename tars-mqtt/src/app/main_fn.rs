use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use super::{App, panics};
use crate::config::{Config, DedupeKey, Defaults};
use crate::error::{BoxError, Error, Result};

/// Exit status when the configuration is wrong.
const CONFIG_STATUS: u8 = 2;

/// The arguments of [`#[tars_mqtt::main]`](crate::main).
#[derive(Clone, Copy, Debug)]
pub struct MainOptions {
    /// Client id where the environment and the file name none.
    pub client_id: Option<&'static str>,
    /// Source name where the environment and the file name none.
    pub source: Option<&'static str>,
    /// Whether health is published.
    pub health: Option<bool>,
    /// How often a heartbeat is sent.
    pub heartbeat: Option<Option<Duration>>,
    /// For how long duplicates are recognized.
    pub dedupe: Option<Option<Duration>>,
    /// What makes two messages duplicates.
    pub dedupe_key: Option<DedupeKey>,
    /// Whether everything runs on one thread.
    pub current_thread: bool,
    /// Threads of the runtime.
    pub worker_threads: Option<usize>,
}

impl MainOptions {
    /// What holds where nothing is written.
    pub const DEFAULT: Self = Self {
        client_id: None,
        source: None,
        health: None,
        heartbeat: None,
        dedupe: None,
        dedupe_key: None,
        current_thread: false,
        worker_threads: None,
    };

    fn defaults(&self) -> Defaults {
        Defaults {
            url: None,
            client_id: self.client_id.map(str::to_owned),
            source: self.source.map(str::to_owned),
            health: Some(self.health.unwrap_or(true)),
            heartbeat: self.heartbeat,
            dedupe: Some(self.dedupe.unwrap_or(Some(Duration::from_secs(30)))),
            dedupe_max_entries: Some(2048),
            dedupe_key: self.dedupe_key,
        }
    }

    fn runtime(&self) -> std::io::Result<tokio::runtime::Runtime> {
        if self.current_thread {
            return tokio::runtime::Builder::new_current_thread().enable_all().build();
        }
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        // At least two, so that a handler that blocks one does not stop everything.
        let threads = self.worker_threads.unwrap_or_else(|| cores.max(2));
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
    }
}

/// What a `main` function can return.
#[diagnostic::on_unimplemented(
    message = "`main` cannot return `{Self}`",
    label = "not a result of `main`",
    note = "return nothing, or a Result<(), E> whose error converts to a boxed one, such as \
            tars_mqtt::Result<()> or anyhow::Result<()>"
)]
pub trait MainResult {
    /// Whether it went well.
    fn into_result(self) -> Result<(), BoxError>;
}

impl MainResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> MainResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// Runs a program's body, and then its service.
pub fn main<F, Fut>(options: MainOptions, body: F) -> ExitCode
where
    F: FnOnce() -> Fut,
    Fut: Future,
    Fut::Output: MainResult,
{
    main_with_app(options, |app| async move {
        body().await.into_result()?;
        app.run().await.map_err(BoxError::from)
    })
}

/// Runs a program's body with a service to be run by it.
pub fn main_with_app<F, Fut>(options: MainOptions, body: F) -> ExitCode
where
    F: FnOnce(App) -> Fut,
    Fut: Future,
    Fut::Output: MainResult,
{
    run(&options, Box::new(|app| Box::pin(async { body(app).await.into_result() })))
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), BoxError>> + 'a>>;

/// Takes a box, so that it is compiled once, and not in each program.
fn run<'a>(options: &MainOptions, body: Box<dyn FnOnce(App) -> Outcome<'a> + 'a>) -> ExitCode {
    panics::install();
    let config = match Config::load(options.defaults()) {
        Ok(config) => config,
        Err(error) => return report(&error),
    };
    let runtime = match options.runtime() {
        Ok(runtime) => runtime,
        Err(error) => return report(&error),
    };
    let outcome = runtime.block_on(body(App::new(config).installing_logging()));
    // A handler that blocks its thread must not keep the process alive.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&*error),
    }
}

/// Says on standard error what went wrong. Returns the exit status: 2 for the configuration, else
/// 1.
fn report(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let detail = error.to_string();
        // Errors of this crate tell of their cause themselves.
        if !text.contains(&detail) {
            text = format!("{text}: {detail}");
        }
        cause = error.source();
    }
    let ours = error.is::<Error>() || error.is::<crate::config::ConfigError>();
    let text = printable(&text, if ours { "\n" } else { "\n  " });
    // Nobody is left to be told that standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {text}");
    match error.downcast_ref::<Error>() {
        Some(Error::Config(_)) => ExitCode::from(CONFIG_STATUS),
        _ => ExitCode::FAILURE,
    }
}

/// The text without characters that a terminal obeys or that change the order in which text is read.
/// Lines but the first begin with what is given: those of others are set in, so that none passes for
/// a line of the log.
fn printable(text: &str, line_break: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => printable.push_str(line_break),
            '"' | '\'' | '\\' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn an_error_cannot_forge_a_line_or_turn_one_around() {
        let error = "\"ü\" failed\nERROR forged\r\u{202e}\u{1b}[2J";
        let shown = printable(error, "\n  ");
        assert_eq!(shown, "\"ü\" failed\n  ERROR forged\\r\\u{202e}\\u{1b}[2J");
    }
}
