//! Arithmetic.

use anyhow::{Context as _, ensure};
use serde_json::{Number, Value};

/// The longest expression. What people ask is shorter, and what is longer could nest too deep.
const LONGEST: usize = 200;

/// Beyond these many digits a result is the noise of binary fractions: 0.1 + 0.2 is 0.3.
const DIGITS: usize = 12;

/// Up to here all whole numbers are exact.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of an expression: a whole number where it is one.
pub(super) fn value(expression: &str) -> anyhow::Result<Value> {
    let shown = || format!("{expression:?} is no arithmetic expression, such as 2 * (3 + 4)");
    let length = expression.chars().count();
    ensure!(length <= LONGEST, "the expression has {length} characters, and may have {LONGEST}");
    let value: f64 = exmex::eval_str(expression).with_context(shown)?;
    ensure!(value.is_finite(), "{expression:?} has no finite value");
    let rounded: f64 = format!("{value:.DIGITS$e}").parse()?;
    if rounded.fract() == 0.0 && rounded.abs() <= LARGEST_EXACT {
        return Ok(serde_json::from_str(&format!("{rounded:.0}"))?);
    }
    Ok(Number::from_f64(rounded).map_or(Value::Null, Value::Number))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_have_values() {
        for (expression, expected) in [
            ("2 + 3 * 4", json!(14)),
            ("(2 + 3) * 4^2", json!(80)),
            ("0.1 + 0.2", json!(0.3)),
            ("17 / 4", json!(4.25)),
            ("-7", json!(-7)),
            ("1 - 1", json!(0)),
            ("sqrt(5)", json!(2.236_067_977_5)),
            ("10 / 3", json!(3.333_333_333_333)),
            ("10^20", json!(1e20)),
        ] {
            assert_eq!(value(expression).unwrap(), expected, "{expression}");
        }
    }

    #[test]
    fn what_is_no_expression_is_an_error_that_shows_it() {
        for expression in ["", "2 +", "two plus two", "1; 2", "(1", "x + 1"] {
            let error = value(expression).unwrap_err().to_string();
            let expected =
                format!("{expression:?} is no arithmetic expression, such as 2 * (3 + 4)");
            assert_eq!(error, expected);
        }
        assert_eq!(value("1 / 0").unwrap_err().to_string(), r#""1 / 0" has no finite value"#);
        let nested = format!("{}1{}", "(".repeat(500), ")".repeat(500));
        let error = value(&nested).unwrap_err().to_string();
        assert_eq!(error, "the expression has 1001 characters, and may have 200");
    }
}
