use std::ffi::OsString;

use super::super::{Config, ConfigError, Defaults, Problem};
use super::assemble;

mod contradictions;
#[cfg(feature = "config-file")]
mod file;
#[cfg(feature = "config-file")]
mod precedence;
mod rules;

const BASE: [(&str, &str); 2] = [("MQTT_URL", "mqtt://host"), ("MQTT_CLIENT_ID", "svc")];

fn os(vars: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    vars.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Just these variables.
fn only(vars: &[(&str, &str)], defaults: Defaults) -> Result<Config, ConfigError> {
    assemble(os(vars).into_iter(), defaults, false)
}

/// These variables after a URL and a client id, which they may replace.
fn load(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
    only(&[&BASE, vars].concat(), Defaults::default())
}

fn loaded(vars: &[(&str, &str)]) -> Config {
    load(vars).unwrap_or_else(|error| panic!("{vars:?}: {error}"))
}

/// The only line of the error.
fn line(vars: &[(&str, &str)]) -> String {
    let error = load(vars).expect_err("a problem");
    assert_eq!(error.problems().len(), 1, "{error}");
    error.to_string()
}

fn names(error: &ConfigError) -> Vec<&str> {
    error.problems().iter().map(Problem::variable).collect()
}
