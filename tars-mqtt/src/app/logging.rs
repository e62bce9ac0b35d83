use std::io::IsTerminal as _;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// What is logged where `RUST_LOG` says nothing.
fn usual() -> Targets {
    Targets::new().with_default(LevelFilter::INFO).with_target("mqtt5", LevelFilter::WARN)
}

/// Writes the log to standard error: as text, or as one JSON object a line with
/// `TARS_MQTT_LOG=json`. Does nothing if the program already has a subscriber.
pub(super) fn install() {
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let (targets, unreadable) = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.trim().is_empty() => match directives.parse() {
            Ok(targets) => (targets, None),
            Err(error) => (usual(), Some(format!("RUST_LOG={directives}: {error}"))),
        },
        _ => (usual(), None),
    };
    let json = std::env::var("TARS_MQTT_LOG").is_ok_and(|form| form.eq_ignore_ascii_case("json"));
    let registry = tracing_subscriber::registry();
    let text = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // Another thread may have been faster, which is as good.
    let _ = if json {
        registry.with(text.json().with_filter(targets)).try_init()
    } else {
        registry.with(text.with_filter(targets)).try_init()
    };
    if let Some(unreadable) = unreadable {
        tracing::warn!("{unreadable}; write for instance RUST_LOG=info,tars_mqtt=debug");
    }
}
