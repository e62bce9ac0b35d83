use std::ffi::OsString;

use super::nearest::nearest;
use super::settings::{PREFIX, SETTINGS};
use crate::error::{Origin, Problem};

/// Names the configuration file.
pub(super) const CONFIG_FILE: &str = "TARS_MQTT_CONFIG";

/// What the environment says.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) values: Vec<(&'static str, String)>,
    pub(super) config_file: Option<String>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<String>,
}

impl Environment {
    pub(super) fn collect(vars: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut this = Self::default();
        let mut unknown: Vec<String> = Vec::new();
        for (name, value) in vars {
            let name = name.to_string_lossy();
            if let Some(known) = names().find(|known| *known == name) {
                this.take(known, value);
            } else if name.starts_with(PREFIX) {
                // Few, and a sort would be several KiB in every program.
                let at = unknown.partition_point(|earlier| **earlier < *name);
                unknown.insert(at, name.into_owned());
            }
        }
        this.warnings = unknown.iter().map(|name| warning(name)).collect();
        this
    }

    fn take(&mut self, name: &'static str, value: OsString) {
        match value.into_string() {
            Ok(path) if name == CONFIG_FILE => self.config_file = Some(path),
            Ok(value) => self.values.push((name, value)),
            Err(_) => self.problems.push(Problem::new(
                name,
                None,
                Origin::Environment,
                "has a value that is not UTF-8",
            )),
        }
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name).chain([CONFIG_FILE])
}

/// Only the name is quoted: the value may be a secret that is not ours.
fn warning(name: &str) -> String {
    let name = name.escape_debug();
    match nearest(&name.to_string(), &mut names()) {
        Some(known) => format!("{name} is not a setting; did you mean {known}?"),
        None => format!("{name} is not a setting"),
    }
}
