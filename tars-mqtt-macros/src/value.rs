//! Reads the values of options. Each error underlines the value and says what to write.

use std::ops::RangeInclusive;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Error, Expr, ExprLit, ExprUnary, Ident, Lit, LitBool, LitStr, Result, UnOp};

use crate::duration::{self, Limit};
use crate::nearest::{list, nearest};
use crate::options::Given;

/// `name`, `name = true` or `name = false`.
pub(crate) fn flag(given: &Given) -> Result<bool> {
    match &given.value {
        None => Ok(true),
        Some(Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value, .. }), .. })) => Ok(*value),
        Some(other) => {
            let name = &given.name;
            refuse(other, format!("`{name}` is on or off: write `{name}` or `{name} = false`"))
        }
    }
}

/// `name = 8`, within a range.
pub(crate) fn integer(given: &Given, range: &RangeInclusive<u64>) -> Result<u64> {
    let name = &given.name;
    let (least, most) = (range.start(), range.end());
    let rule = format!("write `{name} = N` with N from {least} to {most}");
    match value(given, &rule)? {
        Expr::Lit(ExprLit { lit: Lit::Int(literal), .. }) => {
            match literal.base10_parse().ok().filter(|number| range.contains(number)) {
                Some(number) => Ok(number),
                None => refuse(literal, format!("{literal} is out of range; {rule}")),
            }
        }
        minus @ Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => {
            refuse(minus, format!("-{} is out of range; {rule}", expr.to_token_stream()))
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. })
            if text.value().parse().is_ok_and(|number| range.contains(&number)) =>
        {
            let number = text.value();
            refuse(text, format!("`{name}` is a number, not a text: write `{name} = {number}`"))
        }
        other => refuse(other, format!("`{name}` is a number; {rule}")),
    }
}

/// `name = "text"`.
pub(crate) fn text<'a>(given: &'a Given, example: &str) -> Result<&'a LitStr> {
    let name = &given.name;
    let rule = format!("write `{name} = \"{example}\"`");
    match value(given, &rule)? {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
        other => refuse(other, format!("`{name}` is a text; {rule}")),
    }
}

/// `name = "one"`, where only a few texts mean something.
pub(crate) fn choice<T: Copy>(given: &Given, choices: &[(&str, T)]) -> Result<T> {
    let names = || choices.iter().map(|(name, _)| *name);
    let text = text(given, choices.first().map_or("", |(name, _)| name))?;
    let found = text.value();
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == found) {
        return Ok(*value);
    }
    let name = &given.name;
    let rule = match nearest(&found, names()) {
        Some(nearest) => format!("write `{name} = \"{nearest}\"`"),
        None => format!("there are {}", list(names())),
    };
    refuse(text, format!("`{name}` cannot be `{found}`; {rule}"))
}

/// `name = "30s"`, or `name = "off"`, or `name = false`.
pub(crate) fn duration_or_off(given: &Given, example: &str) -> Result<Limit> {
    let name = &given.name;
    let rule = format!("write `{name} = \"{example}\"` or `{name} = \"off\"`");
    match value(given, &rule)? {
        Expr::Lit(ExprLit { lit: Lit::Bool(LitBool { value: false, .. }), .. }) => Ok(None),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if text.value() == "off" => Ok(None),
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => duration::parse(&text.value())
            .map(Some)
            .map_err(|error| Error::new_spanned(text, error)),
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => {
            refuse(number, format!("a duration has a unit: write `{name} = \"{number}s\"`"))
        }
        other => refuse(other, format!("`{name}` is a duration; {rule}")),
    }
}

/// The value of an option that cannot go without.
pub(crate) fn value<'a>(given: &'a Given, rule: &str) -> Result<&'a Expr> {
    match &given.value {
        Some(value) => Ok(value),
        None => refuse(&given.name, format!("`{}` needs a value; {rule}", given.name)),
    }
}

fn refuse<T>(tokens: impl ToTokens, message: String) -> Result<T> {
    Err(Error::new_spanned(tokens, message))
}

/// A value with what was written, for errors that show only when options meet.
#[derive(Clone, Debug)]
pub(crate) struct Written<T> {
    pub(crate) value: T,
    pub(crate) name: Ident,
    pub(crate) tokens: TokenStream,
}

impl<T> Written<T> {
    pub(crate) fn new(given: &Given, value: T) -> Self {
        let tokens = given.value.as_ref().map_or_else(TokenStream::new, ToTokens::to_token_stream);
        Self { value, name: given.name.clone(), tokens }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::options::Arguments;

    fn given(text: &str) -> Given {
        syn::parse_str::<Arguments>(text).unwrap().options.remove(0)
    }

    fn error<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_flag_may_be_spelled_out() {
        assert!(flag(&given("retain")).unwrap());
        assert!(flag(&given("retain = true")).unwrap());
        assert!(!flag(&given("retain = false")).unwrap());
        assert_eq!(
            error(flag(&given("retain = 1"))),
            "`retain` is on or off: write `retain` or `retain = false`"
        );
    }

    #[test]
    fn a_number_is_within_its_range() {
        assert_eq!(integer(&given("queue = 1_000"), &(1..=1000)).unwrap(), 1000);
        for (text, expected) in [
            ("retry = 9", "9 is out of range; write `retry = N` with N from 1 to 8"),
            ("retry = -1", "-1 is out of range; write `retry = N` with N from 1 to 8"),
            ("retry", "`retry` needs a value; write `retry = N` with N from 1 to 8"),
            ("retry = \"3\"", "`retry` is a number, not a text: write `retry = 3`"),
            ("retry = \"9\"", "`retry` is a number; write `retry = N` with N from 1 to 8"),
            ("retry = 1.5", "`retry` is a number; write `retry = N` with N from 1 to 8"),
        ] {
            assert_eq!(error(integer(&given(text), &(1..=8))), expected);
        }
    }

    #[test]
    fn a_choice_names_the_nearest() {
        let choices = [("drop_new", 1), ("drop_oldest", 2)];
        assert_eq!(choice(&given("overflow = \"drop_oldest\""), &choices).unwrap(), 2);
        assert_eq!(
            error(choice(&given("overflow = \"drop-oldest\""), &choices)),
            "`overflow` cannot be `drop-oldest`; write `overflow = \"drop_oldest\"`"
        );
        assert_eq!(
            error(choice(&given("overflow = \"x\""), &choices)),
            "`overflow` cannot be `x`; there are `drop_new` and `drop_oldest`"
        );
        assert_eq!(
            error(choice(&given("overflow = drop_new"), &choices)),
            "`overflow` is a text; write `overflow = \"drop_new\"`"
        );
    }

    #[test]
    fn a_duration_may_be_off() {
        let read = |text| duration_or_off(&given(text), "30s");
        assert_eq!(read("timeout = \"1s\"").unwrap(), Some(Duration::from_secs(1)));
        assert_eq!(read("timeout = \"off\"").unwrap(), None);
        assert_eq!(read("timeout = false").unwrap(), None);
        assert_eq!(error(read("timeout = 30")), "a duration has a unit: write `timeout = \"30s\"`");
        assert_eq!(
            error(read("timeout = true")),
            "`timeout` is a duration; write `timeout = \"30s\"` or `timeout = \"off\"`"
        );
    }
}
