//! Settings that come from environment variables.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Variables by their names. One that is not set takes its default; one that cannot be read is an
/// error that says what to write instead.
#[derive(Clone, Copy, Debug)]
pub struct Vars<F>(F);

impl Vars<fn(&str) -> Option<String>> {
    /// Those of the process.
    #[must_use]
    pub fn of_process() -> Self {
        Self(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }
}

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    /// Those that a function gives.
    #[must_use]
    pub fn new(lookup: F) -> Self {
        Self(lookup)
    }

    /// Any text.
    pub fn text(&self, name: &str, default: &str) -> String {
        (self.0)(name).unwrap_or_else(|| default.to_owned())
    }

    /// Any text, if the variable is set to one.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    /// Texts with `|` between them.
    pub fn texts(&self, name: &str, default: &str) -> Vec<String> {
        let texts = self.text(name, default);
        let trimmed = texts.split('|').map(str::trim);
        trimmed.filter(|text| !text.is_empty()).map(str::to_owned).collect()
    }

    /// Yes or no, in the ways that `tars-mqtt` takes it.
    ///
    /// # Errors
    ///
    /// When the variable is neither.
    pub fn flag(&self, name: &str, default: bool) -> anyhow::Result<bool> {
        let Some(value) = (self.0)(name) else { return Ok(default) };
        match value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => bail!("{name} is {value:?}, and must be true or false"),
        }
    }

    /// A number within bounds.
    ///
    /// # Errors
    ///
    /// When the variable is no such number.
    pub fn number<T>(&self, name: &str, default: T, bounds: RangeInclusive<T>) -> anyhow::Result<T>
    where
        T: FromStr<Err: Display> + PartialOrd + Display,
    {
        let Some(value) = (self.0)(name) else { return Ok(default) };
        let must = || {
            let (lowest, highest) = (bounds.start(), bounds.end());
            format!("{name} is {value:?}, and must be a number from {lowest} to {highest}")
        };
        let number = value.trim().parse().map_err(|error: T::Err| anyhow::anyhow!("{error}"));
        let number = number.with_context(must)?;
        if bounds.contains(&number) { Ok(number) } else { bail!(must()) }
    }

    /// A number of seconds, of at most a day.
    ///
    /// # Errors
    ///
    /// When the variable is no such number.
    pub fn seconds(&self, name: &str, default: f64) -> anyhow::Result<Duration> {
        Ok(Duration::from_secs_f64(self.number(name, default, 0.0..=86_400.0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(value: &'static str) -> Vars<impl Fn(&str) -> Option<String>> {
        Vars::new(move |name| (name == "SET").then(|| value.to_owned()))
    }

    #[test]
    fn what_is_set_wins_over_the_default() {
        assert_eq!(vars("b").text("SET", "a"), "b");
        assert_eq!(vars("b").text("OTHER", "a"), "a");
        assert_eq!(vars("Oh? | |Yes?").texts("SET", "a|b"), ["Oh?", "Yes?"]);
        assert_eq!(vars("").optional("SET"), None);
        assert!(vars("On").flag("SET", false).unwrap());
        assert_eq!(vars(" 7 ").number("SET", 1, 1..=9).unwrap(), 7);
        assert_eq!(vars("1.5").seconds("SET", 3.0).unwrap(), Duration::from_millis(1500));
        assert_eq!(vars("x").number("OTHER", 1, 1..=9).unwrap(), 1);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_what_to_write() {
        let flag = vars("maybe").flag("SET", true).unwrap_err();
        assert_eq!(flag.to_string(), r#"SET is "maybe", and must be true or false"#);
        for value in ["10", "-1", "many", ""] {
            let number = vars(value).number("SET", 1, 1..=9).unwrap_err();
            let said = format!("SET is {value:?}, and must be a number from 1 to 9");
            assert_eq!(number.to_string(), said);
        }
        for value in ["NaN", "inf", "-0.5"] {
            assert!(vars(value).seconds("SET", 1.0).is_err(), "{value}");
        }
    }
}
