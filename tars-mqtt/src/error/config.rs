use std::fmt;
use std::path::PathBuf;

/// Longer values are cut, so that one wrong value does not bury the other problems.
const SHOWN_CHARS: usize = 80;

/// Everything that is wrong with a configuration, in the order of the settings table.
///
/// `Display` is one line per [`Problem`]; no line contains a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// `problems` is not empty.
    pub(crate) fn new(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// The problems, at least one.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// An environment variable.
    Environment,
    /// The `[mqtt]` table of this TOML file.
    File(PathBuf),
    /// The program itself: [`Config::new`](crate::Config::new), a setter, or
    /// [`Defaults`](crate::config::Defaults).
    Program,
    /// What applies when nobody says anything.
    Default,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    variable: &'static str,
    value: Option<String>,
    origin: Origin,
    reason: String,
}

impl Problem {
    pub(crate) fn new(
        variable: &'static str,
        value: Option<&str>,
        origin: Origin,
        reason: impl Into<String>,
    ) -> Self {
        Self { variable, value: value.map(cut), origin, reason: reason.into() }
    }

    /// The setting, by the name of its environment variable wherever the value came from
    /// (`MQTT_KEEPALIVE`); a setting without a variable by the name of its setter.
    #[must_use]
    pub fn variable(&self) -> &str {
        self.variable
    }

    /// The value that was found, if there was one that can be shown. User name and password of
    /// a URL are replaced by `***`, and it is cut to 80 characters.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Where the value came from, or where a missing one was looked for first.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The rule that the value breaks, and what to write instead.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variable)?;
        if let Some(value) = &self.value {
            write!(f, " = {value:?}")?;
        }
        match &self.origin {
            Origin::Environment => {}
            Origin::File(path) => write!(f, " (in {})", path.display())?,
            Origin::Program => f.write_str(" (set by the program)")?,
            Origin::Default => f.write_str(" (the default)")?,
        }
        write!(f, ": {}", self.reason)
    }
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, Origin, Problem};

    #[test]
    fn an_error_is_one_line_per_problem() {
        let problem = |value, origin| Problem::new("MQTT_KEEPALIVE", value, origin, "must be x");
        let error = ConfigError::new(vec![
            problem(Some("abc"), Origin::Environment),
            problem(Some("a\nb"), Origin::File("/etc/tars.toml".into())),
            problem(None, Origin::Environment),
            problem(Some("0"), Origin::Program),
            problem(Some("0"), Origin::Default),
        ]);
        assert_eq!(
            error.to_string(),
            "MQTT_KEEPALIVE = \"abc\": must be x\n\
             MQTT_KEEPALIVE = \"a\\nb\" (in /etc/tars.toml): must be x\n\
             MQTT_KEEPALIVE: must be x\n\
             MQTT_KEEPALIVE = \"0\" (set by the program): must be x\n\
             MQTT_KEEPALIVE = \"0\" (the default): must be x"
        );
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let shown = Problem::new("X", Some(&"é".repeat(81)), Origin::Environment, "");
        assert_eq!(shown.value(), Some(&*format!("{}…", "é".repeat(80))));
        let whole = Problem::new("X", Some(&"é".repeat(80)), Origin::Environment, "");
        assert_eq!(whole.value(), Some(&*"é".repeat(80)));
    }
}
