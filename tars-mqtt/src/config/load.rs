use std::collections::BTreeMap;
use std::ffi::OsString;

use super::contradictions::contradictions;
use super::environment::Environment;
use super::file::ConfigFile;
use super::problem::{ConfigError, Origin, Problem};
use super::read::{Refusal, bounded};
use super::redact::redact;
use super::settings::{CLIENT_ID, SETTINGS, SOURCE_NAME, Setting, URL};
use super::{Config, Defaults};

/// The texts that settings were given as, by variable; of several origins the one that wins.
pub(super) type Given = BTreeMap<&'static str, (String, Origin)>;

/// The configuration from these environment variables, the file they name, and `defaults`.
pub(crate) fn load_from(
    vars: impl Iterator<Item = (OsString, OsString)>,
    defaults: Defaults,
) -> Result<Config, ConfigError> {
    assemble(vars, defaults, cfg!(feature = "embedded-broker"))
}

pub(super) fn assemble(
    vars: impl Iterator<Item = (OsString, OsString)>,
    defaults: Defaults,
    url_optional: bool,
) -> Result<Config, ConfigError> {
    let environment = Environment::collect(vars);
    let file = environment.config_file.as_deref().map(ConfigFile::read).unwrap_or_default();
    let mut problems = environment.problems;
    problems.extend(file.problems);

    let mut config = Config::built_in();
    config.warnings = environment.warnings;
    config.warnings.extend(file.warnings);
    let mut given = apply(&mut config, defaults);
    let from_file = || Origin::File(file.path.clone());
    given.extend(file.values.into_iter().map(|(name, text)| (name, (text, from_file()))));
    let from_environment =
        environment.values.into_iter().map(|(name, text)| (name, (text, Origin::Environment)));
    given.extend(from_environment);

    for setting in &SETTINGS {
        if let Some((text, origin)) = given.get(setting.name) {
            if let Err(refusal) = (setting.read)(&mut config, text) {
                let shown = shown(setting, text);
                let reason = reason(setting, refusal);
                problems.push(Problem::new(setting.name, Some(&shown), origin.clone(), reason));
            }
        } else if file.unread || problems.iter().any(|known| known.variable() == setting.name) {
            // What is missing has been explained, or may stand in the file.
        } else if setting.name == URL && url_optional {
            config.url_missing = true;
        } else if setting.name == URL || setting.name == CLIENT_ID {
            let reason = format!("is required and not set: {}", setting.rule);
            problems.push(Problem::new(setting.name, None, Origin::Environment, reason));
        }
    }
    // Whatever an unread file may have set is not judged.
    let skipped = |name: &str| {
        problems.iter().any(|problem| problem.variable() == name)
            || file.unread && !given.contains_key(name)
    };
    let found = check(&config, &given, skipped);
    problems.extend(found);
    if problems.is_empty() {
        return Ok(config);
    }
    problems.sort_by_key(|problem| {
        SETTINGS.iter().position(|setting| setting.name == problem.variable())
    });
    Err(ConfigError::new(problems))
}

fn apply(config: &mut Config, defaults: Defaults) -> Given {
    let Defaults { url, client_id, source, health, heartbeat, dedupe, dedupe_max_entries } =
        defaults;
    config.health = health.unwrap_or(config.health);
    if let Some(heartbeat) = heartbeat {
        config.heartbeat.enabled = heartbeat.is_some();
        config.heartbeat.interval = bounded(heartbeat.unwrap_or(config.heartbeat.interval));
    }
    if let Some(ttl) = dedupe {
        config.dedupe.ttl = bounded(ttl.unwrap_or_default());
    }
    config.dedupe.max_entries = dedupe_max_entries.unwrap_or(config.dedupe.max_entries);
    [(URL, url), (CLIENT_ID, client_id), (SOURCE_NAME, source)]
        .into_iter()
        .filter_map(|(name, text)| Some((name, (text?, Origin::Program))))
        .collect()
}

/// The rules of the settings that are not skipped, then the contradictions among those that keep
/// theirs.
pub(super) fn check(
    config: &Config,
    given: &Given,
    skipped: impl Fn(&str) -> bool,
) -> Vec<Problem> {
    let mut found: Vec<Problem> = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| !skipped(setting.name)) {
        if let Err(refusal) = (setting.check)(config) {
            found.push(report(config, given, setting.name, reason(setting, refusal)));
        }
    }
    let broken = |name: &str| skipped(name) || found.iter().any(|p| p.variable() == name);
    let mut contradictory = contradictions(config);
    contradictory.retain(|c| !broken(c.name) && !broken(c.with));
    found.extend(contradictory.into_iter().map(|c| report(config, given, c.name, c.reason)));
    found
}

fn report(config: &Config, given: &Given, name: &'static str, reason: String) -> Problem {
    let Some(setting) = SETTINGS.iter().find(|setting| setting.name == name) else {
        return Problem::new(name, None, Origin::Program, reason);
    };
    if let Some((text, origin)) = given.get(name) {
        return Problem::new(name, Some(&shown(setting, text)), origin.clone(), reason);
    }
    let value = (setting.show)(config);
    let untouched = value == (setting.show)(&Config::built_in());
    let origin = if untouched { Origin::Default } else { Origin::Program };
    Problem::new(name, Some(&value), origin, reason)
}

fn shown(setting: &Setting, text: &str) -> String {
    if setting.name == URL { redact(text) } else { text.to_owned() }
}

fn reason(setting: &Setting, refusal: Refusal) -> String {
    match refusal {
        Refusal::Because(reason) => reason,
        Refusal::Rule => setting.rule.to_owned(),
    }
}

#[cfg(test)]
mod tests;
