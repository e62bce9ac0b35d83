use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::LazyLock;

use tracing::Level;

use crate::log::{LogLimit, quoted};

/// What others send can make a handler panic again and again.
static LIMIT: LazyLock<LogLimit> = LazyLock::new(LogLimit::default);

/// Lets panics be logged as all else is: one line each, ten in ten seconds, with what they say quoted.
/// By default they are written to standard error as they are, between the lines of the log, and what
/// they say may be what somebody has sent.
pub(super) fn install() {
    std::panic::set_hook(Box::new(report));
}

fn report(panic: &PanicHookInfo<'_>) {
    let Some(suppressed) = LIMIT.allow() else { return };
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    let message = quoted(message);
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    // Neither before there is a log, nor where it is switched off, does a program end without a word.
    if !tracing::enabled!(Level::ERROR) {
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(std::io::stderr(), "error: panicked at {at}: {message}");
        return;
    }
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or_default();
    // Taken only where RUST_BACKTRACE asks for it.
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        let frames = backtrace.to_string();
        let frames: Vec<&str> = frames.lines().map(str::trim).collect();
        let backtrace = frames.join(" ");
        tracing::error!(at, thread, suppressed, reason = %message, backtrace, "panicked");
    } else {
        tracing::error!(at, thread, suppressed, reason = %message, "panicked");
    }
}
