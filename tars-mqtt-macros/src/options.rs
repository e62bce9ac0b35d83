//! What stands between the parentheses of an attribute: `"text", name = value, flag`.

use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::{Expr, ExprLit, Ident, Lit, Token};

use crate::errors::Errors;
use crate::nearest::{list, nearest};

/// The arguments of an attribute, as written.
#[derive(Default)]
pub(crate) struct Arguments {
    /// A first argument without a name.
    pub(crate) first: Option<Expr>,
    pub(crate) options: Vec<Given>,
}

/// One `name` or `name = value`.
pub(crate) struct Given {
    pub(crate) name: Ident,
    pub(crate) value: Option<Expr>,
}

impl Given {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.unraw() == name
    }

    /// Its value, if that is a text, or else an example of one.
    pub(crate) fn text_or(&self, example: &str) -> String {
        match &self.value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => text.value(),
            _ => example.to_owned(),
        }
    }
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut arguments = Self::default();
        let mut is_first = true;
        while !input.is_empty() {
            if is_option(input) {
                let name = Ident::parse_any(input)?;
                let value = match input.parse::<Option<Token![=]>>()? {
                    Some(_) => Some(ungrouped(input.parse()?)),
                    None => None,
                };
                arguments.options.push(Given { name, value });
            } else {
                let value = ungrouped(input.parse()?);
                if !is_first {
                    return Err(syn::Error::new_spanned(
                        value,
                        "an option has a name: write `name = value`",
                    ));
                }
                arguments.first = Some(value);
            }
            is_first = false;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(arguments)
    }
}

fn is_option(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    Ident::parse_any(&ahead).is_ok_and(|name| name != "true" && name != "false")
        && (ahead.is_empty()
            || ahead.peek(Token![,])
            || (ahead.peek(Token![=]) && !ahead.peek(Token![==])))
}

/// Takes off the invisible group in which a `macro_rules!` macro hands on an expression.
fn ungrouped(expr: Expr) -> Expr {
    match expr {
        Expr::Group(group) => ungrouped(*group.expr),
        expr => expr,
    }
}

/// Refuses options that do not exist or stand twice, and returns the others.
pub(crate) fn known(options: Vec<Given>, names: &[&str], errors: &mut Errors) -> Vec<Given> {
    let mut known: Vec<Given> = Vec::new();
    for given in options {
        let name = given.name.unraw().to_string();
        if known.iter().any(|earlier| earlier.is(&name)) {
            errors.at(&given.name, format!("`{name}` is set twice; remove one"));
        } else if names.contains(&name.as_str()) {
            known.push(given);
        } else {
            errors.at(&given.name, unknown(&name, names));
        }
    }
    known
}

fn unknown(name: &str, names: &[&str]) -> String {
    match nearest(name, names.iter().copied()) {
        Some(nearest) => format!("there is no option `{name}`; write `{nearest}`"),
        None => {
            format!("there is no option `{name}`; there are {}", list(names.iter().copied()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> syn::Result<Arguments> {
        syn::parse_str(text)
    }

    fn names(arguments: &Arguments) -> Vec<String> {
        arguments.options.iter().map(|given| given.name.to_string()).collect()
    }

    #[test]
    fn a_first_argument_needs_no_name() {
        let arguments = parse(r#""a/b", qos = 1, retain, type = "x","#).unwrap();
        assert!(arguments.first.is_some());
        assert_eq!(names(&arguments), ["qos", "retain", "type"]);
        assert!(arguments.options[1].value.is_none());
        assert!(parse("").unwrap().first.is_none());
        assert!(parse("retain").unwrap().first.is_none());
        assert!(parse("true").unwrap().first.is_some());
        assert!(parse("a::B").unwrap().first.is_some());
    }

    #[test]
    fn a_later_argument_needs_one() {
        for text in [r#""a", "b""#, "qos = 1, 2", "retry(3), retry(4)"] {
            let error = parse(text).err().unwrap().to_string();
            assert_eq!(error, "an option has a name: write `name = value`", "{text}");
        }
        assert!(parse(r#""a" qos = 1"#).is_err());
        assert!(parse("qos =").is_err());
    }

    #[test]
    fn unknown_and_repeated_options_are_all_told() {
        let mut errors = Errors::default();
        let given = parse("qso = 1, retain, retain, colour").unwrap().options;
        assert_eq!(known(given, &["qos", "retain"], &mut errors).len(), 1);
        let errors: Vec<_> =
            errors.finish().unwrap_err().into_iter().map(|error| error.to_string()).collect();
        assert_eq!(
            errors,
            [
                "there is no option `qso`; write `qos`",
                "`retain` is set twice; remove one",
                "there is no option `colour`; there are `qos` and `retain`",
            ]
        );
    }
}
