use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta};

use crate::errors::Errors;
use crate::krate;
use crate::options::{Arguments, Given, known};
use crate::value;

const OPTIONS: [&str; 5] = ["topic", "qos", "retain", "bare", krate::OPTION];

/// What `#[event]` says.
#[derive(Default)]
pub(super) struct Attr {
    pub(super) event_type: Option<LitStr>,
    pub(super) topic: Option<LitStr>,
    pub(super) qos: Option<u64>,
    pub(super) retain: bool,
    pub(super) bare: bool,
}

pub(super) fn get(attributes: &[Attribute], errors: &mut Errors) -> Attr {
    let mut attr = Attr::default();
    let mut options = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("event")) {
        let Some(arguments) = errors.ok(arguments(attribute)) else { continue };
        if let Some(first) = arguments.first {
            event_type(&mut attr, &first, errors);
        }
        options.extend(arguments.options);
    }
    options.retain(|option| !is_type(option, errors));
    for given in known(options, &OPTIONS, errors) {
        let result = match () {
            () if given.is("topic") => {
                value::text(&given, "llm/request").map(|topic| attr.topic = Some(topic.clone()))
            }
            () if given.is("qos") => {
                value::integer(&given, &(0..=2)).map(|qos| attr.qos = Some(qos))
            }
            () if given.is("retain") => value::flag(&given).map(|retain| attr.retain = retain),
            () if given.is("bare") => value::flag(&given).map(|bare| attr.bare = bare),
            () => krate::check(&given),
        };
        errors.ok(result);
    }
    attr
}

/// Where tars-mqtt is found, if that is said.
pub(super) fn krate(attributes: &[Attribute]) -> Option<TokenStream> {
    let events = attributes.iter().filter(|attribute| attribute.path().is_ident("event"));
    events
        .filter_map(|attribute| attribute.meta.require_list().ok())
        .find_map(|list| krate::said(&list.tokens))
}

fn arguments(attribute: &Attribute) -> syn::Result<Arguments> {
    match &attribute.meta {
        Meta::Path(_) => Ok(Arguments::default()),
        Meta::List(list) => list.parse_args(),
        Meta::NameValue(pair) => {
            Err(syn::Error::new_spanned(pair, "write #[event(\"some.type\")], with parentheses"))
        }
    }
}

fn event_type(attr: &mut Attr, first: &Expr, errors: &mut Errors) {
    match first {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) if attr.event_type.is_none() => {
            attr.event_type = Some(text.clone());
        }
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            errors.at(text, "the type is set twice; remove one");
        }
        other => errors.at(other, "the type is a text: write #[event(\"some.type\")]"),
    }
}

fn is_type(option: &Given, errors: &mut Errors) -> bool {
    let is_type = option.is("type") || option.is("name");
    if is_type {
        let text = option.text_or("some.type");
        errors.at(
            &option.name,
            format!("the type stands first, without a name: write #[event(\"{text}\")]"),
        );
    }
    is_type
}
