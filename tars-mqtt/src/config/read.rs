use std::time::Duration;

/// Why a value is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It breaks the setting's rule, whose text says all.
    Rule,
    /// The rule's text would not be enough.
    Because(String),
}

/// Longer waits are indistinguishable from this one, and adding it to a point in time or doubling
/// it cannot overflow.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

pub(super) fn bounded(duration: Duration) -> Duration {
    duration.min(FOREVER)
}

pub(super) fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Refusal::Rule),
    }
}

pub(super) fn seconds(text: &str) -> Result<Duration, Refusal> {
    let text = text.trim();
    // Python's way to leave out a zero.
    let before = if text.starts_with('.') { "0" } else { "" };
    let after = if text.len() > 1 && text.ends_with('.') { "0" } else { "" };
    // As JSON, because Rust's own reading of numbers is 15 KiB more in every program.
    let seconds: f64 =
        serde_json::from_str(&format!("{before}{text}{after}")).map_err(|_| Refusal::Rule)?;
    if seconds.is_finite() && seconds >= FOREVER.as_secs_f64() {
        return Ok(FOREVER);
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| Refusal::Rule)
}

/// `none` and 0 are no limit.
pub(super) fn seconds_or_none(text: &str) -> Result<Option<Duration>, Refusal> {
    if text.trim().eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    Ok(Some(seconds(text)?).filter(|limit| !limit.is_zero()))
}

pub(super) fn whole<N: std::str::FromStr>(text: &str) -> Result<N, Refusal> {
    text.trim().parse().map_err(|_| Refusal::Rule)
}

#[cfg(test)]
mod tests {
    use super::{FOREVER, Refusal, boolean, bounded, seconds, whole};
    use std::time::Duration;

    #[test]
    fn booleans_are_read_in_any_case() {
        for text in ["true", "TRUE", "1", "yes", "Yes", "on", "oN", " on\n"] {
            assert_eq!(boolean(text), Ok(true), "{text}");
        }
        for text in ["false", "False", "0", "no", "NO", "off", "oFF"] {
            assert_eq!(boolean(text), Ok(false), "{text}");
        }
        for text in ["", " ", "2", "-1", "y", "n", "t", "enabled", "true false", "1.0"] {
            assert_eq!(boolean(text), Err(Refusal::Rule), "{text}");
        }
    }

    #[test]
    fn seconds_are_finite_and_not_negative() {
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(seconds(" 0.25 "), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("1e3"), Ok(Duration::from_secs(1000)));
        assert_eq!(seconds(".5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("5."), Ok(Duration::from_secs(5)));
        for text in
            ["", ".", "..", "abc", "5s", "1,5", "-1", "-0.001", "inf", "-inf", "nan", "1e999"]
        {
            assert_eq!(seconds(text), Err(Refusal::Rule), "{text}");
        }
    }

    #[test]
    fn very_long_durations_are_forever_and_can_be_added() {
        assert_eq!(seconds("1e300"), Ok(FOREVER));
        assert_eq!(bounded(Duration::MAX), FOREVER);
        assert!(std::time::Instant::now().checked_add(FOREVER).is_some());
    }

    #[test]
    fn whole_numbers_have_no_fraction_and_no_sign() {
        assert_eq!(whole::<u64>(" 60 "), Ok(60));
        for text in ["", "60.0", "-1", "1e3", "1_000", "0x10", "99999999999999999999999"] {
            assert_eq!(whole::<u64>(text), Err(Refusal::Rule), "{text}");
        }
    }
}
