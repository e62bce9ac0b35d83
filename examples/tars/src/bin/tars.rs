//! The whole robot in one process: all services, a broker between them, and a terminal to talk to it.
//!
//! ```sh
//! cargo run
//! printf 'hey tars\nwhat time is it\n' | cargo run
//! ```

use std::pin::pin;

use tars::stack::Stack;
use tokio::signal::ctrl_c;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

fn main() -> anyhow::Result<()> {
    log_to_standard_error();
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(run());
    // Whoever waits for a line to be typed must not keep the process alive.
    runtime.shutdown_background();
    outcome
}

async fn run() -> anyhow::Result<()> {
    let mut end = pin!(told_to_end());
    let stack = tokio::select! {
        stack = Stack::start() => stack?,
        told = &mut end => return Ok(told?),
    };
    let outcome = tokio::select! {
        talked = stack.talk() => talked,
        told = end => told.map_err(Into::into),
    };
    stack.stop().await?;
    outcome
}

/// SIGINT, and SIGTERM where there is such a thing.
async fn told_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await
}

/// Warnings and errors, or what `RUST_LOG` asks for.
fn log_to_standard_error() {
    let asked = std::env::var("RUST_LOG").ok().and_then(|filter| filter.parse::<Targets>().ok());
    let usual = || {
        let warnings = Targets::new().with_default(LevelFilter::WARN);
        warnings.with_target("mqtt5", LevelFilter::ERROR)
    };
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(asked.unwrap_or_else(usual))
        .init();
}
