//! The memory once more, on plain rumqttc: the same store, the same messages, the same promises, and by
//! hand what `tars-mqtt` does for `tars-memory`. It passes the same tests. TLS, WebSocket, a password in a
//! file and settings in a file are left out, and problems with settings are told one at a time.
//!
//! ```sh
//! MQTT_URL=mqtt://localhost cargo run --bin plain-memory
//! ```

mod connection;
mod duplicates;
mod envelope;
mod lifecycle;
mod service;
mod settings;

use std::path::PathBuf;
use std::process::ExitCode;

use tars::memory::{Character, Store};
use tars::vars::Vars;

use settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    match run(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let vars = Vars::of_process();
    let character = Character::load(vars.optional("CHARACTER_PATH").map(PathBuf::from))?;
    let store = Store::open(vars.text("MEMORY_PATH", "data/memory.jsonl"), character)?;
    lifecycle::run(settings, store).await
}
