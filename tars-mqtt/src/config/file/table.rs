//! What a TOML file means for the settings.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigFile;
use crate::config::environment::CONFIG_FILE;
use crate::config::files::{open_to_others, read_file};
use crate::config::nearest::nearest;
use crate::config::settings::{PASSWORD_FILE, PREFIX, SETTINGS, Setting, URL};
use crate::error::{Origin, Problem};

const TABLE: &str = "mqtt";

/// Far more than all settings take.
const FILE_BYTES: usize = 1024 * 1024;

impl ConfigFile {
    pub(super) fn take(&mut self, path: &str) -> Result<(), String> {
        let read = read_file(path.as_ref(), FILE_BYTES)
            .and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned()))
            .map_err(|reason| format!("it {reason}"))
            .and_then(|text| table(&text).map(|root| self.take_root(&root)));
        read.map_err(|reason| format!("must be the path of a TOML file: {reason}"))?;
        let is = |wanted: &str| self.values.iter().find(|(name, _)| *name == wanted);
        // Beside a password file the user name of the URL is no secret.
        if is(URL).is_some_and(|(_, url)| url.contains('@'))
            && is(PASSWORD_FILE).is_none()
            && let Some(rights) = open_to_others(path.as_ref())
        {
            self.warnings.push(format!(
                "{} holds a login in its url and can be read or changed by others than its \
                 owner (rights {rights}): take that from them (chmod 600)",
                self.shown_path()
            ));
        }
        Ok(())
    }

    fn take_root(&mut self, root: &DeTable<'_>) {
        for key in root.keys().map(|key| &**key.get_ref()).filter(|key| *key != TABLE) {
            if SETTINGS.iter().any(|setting| is_key_of(key, setting)) {
                self.warnings.push(format!(
                    "{} has the setting {key} outside of its [{TABLE}] table, where it is ignored",
                    self.shown_path()
                ));
            }
        }
        match root.get(TABLE).map(Spanned::get_ref) {
            Some(DeValue::Table(mqtt)) => self.take_settings(mqtt),
            Some(other) => self.problems.push(Problem::new(
                CONFIG_FILE,
                self.path.to_str(),
                Origin::Environment,
                format!("must have a table [{TABLE}], and its `{TABLE}` is {}", kind(other)),
            )),
            None => self.warnings.push(format!(
                "{} has no [{TABLE}] table, so nothing is configured there",
                self.shown_path()
            )),
        }
    }

    fn take_settings(&mut self, mqtt: &DeTable<'_>) {
        let entries: Vec<(&str, &DeValue<'_>)> =
            mqtt.iter().map(|(key, value)| (&**key.get_ref(), value.get_ref())).collect();
        for setting in &SETTINGS {
            let mut found = entries.iter().filter(|(key, _)| is_key_of(key, setting));
            let (Some((key, value)), second) = (found.next(), found.next()) else { continue };
            match (second, text(value)) {
                (Some((other, _)), _) => self.add(
                    setting,
                    format!("is given twice, as `{key}` and as `{other}`: keep one of the two"),
                ),
                (None, Some(text)) => self.values.push((setting.name, text)),
                (None, None) => {
                    self.add(setting, format!("{}, and `{key}` is {}", setting.rule, kind(value)));
                }
            }
        }
        let unknown = entries
            .iter()
            .map(|(key, _)| *key)
            .filter(|key| !SETTINGS.iter().any(|setting| is_key_of(key, setting)));
        for key in unknown {
            let keys: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
            let word = key.get(..PREFIX.len()).filter(|start| start.eq_ignore_ascii_case(PREFIX));
            let word = if word.is_some() { &key[PREFIX.len()..] } else { key };
            let known = nearest(word, &mut keys.iter().map(String::as_str)).unwrap_or_default();
            self.warnings.push(format!(
                "{} in [{TABLE}] of {} is not a setting; did you mean {known}?",
                key.escape_debug(),
                self.shown_path()
            ));
        }
    }

    /// On one line, whatever the path is.
    fn shown_path(&self) -> String {
        self.path.display().to_string().escape_debug().to_string()
    }

    fn add(&mut self, setting: &Setting, reason: String) {
        let origin = Origin::File(self.path.clone());
        self.problems.push(Problem::new(setting.name, None, origin, reason));
    }
}

fn is_key_of(key: &str, setting: &Setting) -> bool {
    let short = setting.key();
    key == short || key.strip_prefix("mqtt_") == Some(&short)
}

/// The parser's own display would quote the line, which may hold a password.
fn table(text: &str) -> Result<DeTable<'_>, String> {
    DeTable::parse(text).map(Spanned::into_inner).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        format!("line {line}: {}", error.message().replace('\n', ", "))
    })
}

/// As it would be written in an environment variable.
fn text(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let decimal = i64::from_str_radix(number.as_str(), number.radix());
            Some(decimal.map_or_else(|_| number.to_string(), |decimal| decimal.to_string()))
        }
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(boolean) => Some(boolean.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn kind(value: &DeValue<'_>) -> String {
    let kind = value.type_str();
    format!("{} {kind}", if kind.starts_with(['a', 'i']) { "an" } else { "a" })
}
