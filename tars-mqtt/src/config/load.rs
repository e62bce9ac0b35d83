use std::ffi::OsString;

use super::contradictions::contradictions;
use super::environment::Environment;
use super::file::ConfigFile;
use super::names::{QUOTED, is_quoted};
use super::read::{Refusal, bounded};
use super::redact::redact;
use super::settings::{CLIENT_ID, PASSWORD_FILE, SETTINGS, SOURCE_NAME, Setting, URL};
use super::{Config, Defaults};
use crate::error::{ConfigError, Origin, Problem};

/// The texts that settings were given as, with their variables; later ones win.
#[derive(Default)]
pub(super) struct Given(Vec<(&'static str, String, Origin)>);

impl Given {
    fn get(&self, name: &str) -> Option<(&str, &Origin)> {
        let (_, text, origin) = self.0.iter().rev().find(|(given, ..)| *given == name)?;
        Some((text, origin))
    }

    fn add(&mut self, values: Vec<(&'static str, String)>, origin: &Origin) {
        self.0.extend(values.into_iter().map(|(name, text)| (name, text, origin.clone())));
    }
}

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
    given.add(file.values, &Origin::File(file.path));
    given.add(environment.values, &Origin::Environment);

    for setting in &SETTINGS {
        if let Some((text, origin)) = given.get(setting.name) {
            if let Err(refusal) = (setting.read)(&mut config, text) {
                let shown = shown(setting, text);
                let mut reason = reason(setting, refusal);
                if is_quoted(text) {
                    reason = format!("{reason}; it {QUOTED}");
                }
                problems.push(Problem::new(setting.name, Some(&shown), origin.clone(), reason));
            }
        } else if file.unread || problems.iter().any(|known| known.variable() == setting.name) {
            // What is missing has been explained, or may stand in the file.
        } else if setting.name == URL && url_optional {
            config.local.url_missing = true;
        } else if setting.name == URL || setting.name == CLIENT_ID {
            let reason = format!("is required and not set: {}", setting.rule);
            problems.push(Problem::new(setting.name, None, Origin::Environment, reason));
        }
    }
    // Whatever an unread file may have set is not judged.
    let skipped = |name: &str| {
        problems.iter().any(|problem| problem.variable() == name)
            || file.unread && given.get(name).is_none()
    };
    let found = check(&config, &given, &skipped);
    problems.extend(found);
    if problems.is_empty() {
        return Ok(config);
    }
    Err(ConfigError::new(in_order(problems)))
}

/// In the order of the settings table, after those that are of no setting. There are few of them, and
/// a sort would be several KiB in every program.
fn in_order(problems: Vec<Problem>) -> Vec<Problem> {
    let place = |problem: &Problem| SETTINGS.iter().position(|s| s.name == problem.variable());
    let mut ordered: Vec<Problem> = Vec::with_capacity(problems.len());
    for problem in problems {
        let at = ordered.partition_point(|earlier| place(earlier) <= place(&problem));
        ordered.insert(at, problem);
    }
    ordered
}

fn apply(config: &mut Config, defaults: Defaults) -> Given {
    let Defaults {
        url,
        client_id,
        source,
        health,
        heartbeat,
        dedupe,
        dedupe_max_entries,
        dedupe_key,
    } = defaults;
    config.health = health.unwrap_or(config.health);
    if let Some(heartbeat) = heartbeat {
        config.heartbeat.enabled = heartbeat.is_some();
        config.heartbeat.interval = bounded(heartbeat.unwrap_or(config.heartbeat.interval));
    }
    if let Some(ttl) = dedupe {
        config.dedupe.ttl = bounded(ttl.unwrap_or_default());
    }
    config.dedupe.max_entries = dedupe_max_entries.unwrap_or(config.dedupe.max_entries);
    config.dedupe.key = dedupe_key.unwrap_or(config.dedupe.key);
    let mut given = Given::default();
    for (name, text) in [(URL, url), (CLIENT_ID, client_id), (SOURCE_NAME, source)] {
        given.add(text.map(|text| (name, text)).into_iter().collect(), &Origin::Program);
    }
    given
}

/// The rules of the settings that are not skipped, then the contradictions among those that keep
/// theirs.
pub(super) fn check(
    config: &Config,
    given: &Given,
    skipped: &dyn Fn(&str) -> bool,
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
    match setting.name {
        URL => redact(text),
        // Some put the password itself there.
        PASSWORD_FILE if !text.starts_with(['/', '.', '~']) => "***".to_owned(),
        _ => text.to_owned(),
    }
}

fn reason(setting: &Setting, refusal: Refusal) -> String {
    match refusal {
        Refusal::Because(reason) => reason,
        Refusal::Rule => setting.rule.to_owned(),
    }
}

#[cfg(test)]
mod tests;
