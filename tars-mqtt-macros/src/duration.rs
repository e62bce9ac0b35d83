//! Durations as they are written in attributes: `"30s"`, `"1.5s"`, `"100ms..5s"`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;

/// A duration that may be off.
pub(crate) type Limit = Option<Duration>;

/// The longest duration taken; more is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a number and its unit. The error says what to write.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let nanoseconds = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(malformed(text)),
    };
    let nanoseconds = scaled(number, nanoseconds).ok_or_else(|| malformed(text))?;
    match Duration::from_nanos(nanoseconds) {
        Duration::ZERO => Err(format!("`{text}` is no time at all; write a longer one")),
        duration if duration > LONGEST => {
            Err(format!("`{text}` is longer than a year; write a shorter one"))
        }
        duration => Ok(duration),
    }
}

fn malformed(text: &str) -> String {
    format!("`{text}` is not a duration; write a number and its unit (ms, s, min or h): \"30s\"")
}

/// A decimal number times a whole one, exactly.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, fraction)) if fraction.is_empty() || fraction.len() > 9 => return None,
        Some(parts) => parts,
        None => (number, "0"),
    };
    let scale = 10_u64.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit) / u128::from(scale);
    let whole = whole.parse::<u64>().ok()?.saturating_mul(unit);
    Some(whole.saturating_add(u64::try_from(fraction).ok()?))
}

/// A duration as an expression.
pub(crate) fn expression(duration: Duration) -> TokenStream {
    let seconds = duration.as_secs();
    let nanoseconds = duration.subsec_nanos();
    quote!(::core::time::Duration::new(#seconds, #nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_a_duration() {
        for (text, milliseconds) in [
            ("1ms", 1),
            ("30s", 30_000),
            ("1.5s", 1_500),
            ("0.25min", 15_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse("0.5ms"), Ok(Duration::from_micros(500)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "30",
            "s",
            "-1s",
            "1 s",
            "1S",
            "1.s",
            ".5s",
            "1..5s",
            "1.2.3s",
            "1d",
            "1e3s",
            "+1s",
            "0s",
            "0.0h",
            "9999h",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("; write a "), "{text}: {error}");
        }
    }
}
