use std::env;
use std::io::IsTerminal as _;

use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::log::quoted;

/// What is logged where `RUST_LOG` says nothing.
fn usual() -> Targets {
    Targets::new().with_default(LevelFilter::INFO).with_target("mqtt5", LevelFilter::WARN)
}

/// What a line of the log is.
#[derive(Debug, PartialEq)]
enum Form {
    Text,
    #[cfg(feature = "json-logs")]
    Json,
}

impl Form {
    fn from_name(name: &str) -> Result<Self, &'static str> {
        match name.to_ascii_lowercase().as_str() {
            "" | "text" => Ok(Self::Text),
            #[cfg(feature = "json-logs")]
            "json" => Ok(Self::Json),
            #[cfg(not(feature = "json-logs"))]
            "json" => {
                Err("needs the cargo feature `json-logs` of tars-mqtt: enable it in Cargo.toml")
            }
            _ => Err("must be text or json"),
        }
    }
}

/// Writes the log to standard error: as text, or as one JSON object a line with
/// `TARS_MQTT_LOG=json`. Does nothing if the program already has a subscriber.
pub(super) fn install() {
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let variable = |name| env::var(name).unwrap_or_default();
    let directives = variable("RUST_LOG");
    let targets = if directives.trim().is_empty() { Ok(usual()) } else { directives.parse() };
    let named = variable("TARS_MQTT_LOG");
    let form = Form::from_name(&named);
    let text = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer: Box<dyn tracing_subscriber::Layer<Registry> + Send + Sync> = match form {
        Ok(Form::Text) | Err(_) => text.boxed(),
        #[cfg(feature = "json-logs")]
        Ok(Form::Json) => text.json().boxed(),
    };
    let filter = targets.as_ref().map_or_else(|_| usual(), Targets::clone);
    // Another thread may have been faster, which is as good.
    let _ = tracing_subscriber::registry().with(layer).with(filter).try_init();
    if let Err(error) = targets {
        tracing::warn!(
            "RUST_LOG={}: {}; write for instance RUST_LOG=info,tars_mqtt=debug",
            quoted(&directives),
            quoted(&error.to_string())
        );
    }
    if let Err(rule) = form {
        tracing::warn!("TARS_MQTT_LOG={} {rule}", quoted(&named));
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_form_that_cannot_be_had_is_told_with_what_to_do() {
        assert_eq!(Form::from_name(""), Ok(Form::Text));
        assert_eq!(Form::from_name("Text"), Ok(Form::Text));
        assert_eq!(Form::from_name("xml"), Err("must be text or json"));
        #[cfg(feature = "json-logs")]
        assert_eq!(Form::from_name("JSON"), Ok(Form::Json));
        #[cfg(not(feature = "json-logs"))]
        assert!(Form::from_name("JSON").unwrap_err().contains("cargo feature `json-logs`"));
    }
}
