use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::{FnArg, LitStr, Type};
use tars_mqtt_topic::{Level, Pattern, Wildcard, patterns_overlap};

use super::ast::{Argument, Handler, Source};
use super::attr::{Filter, Options};
use crate::errors::Errors;
use crate::nearest::nearest;
use crate::signature::text;

pub(super) fn check(handler: &Handler<'_>, errors: &mut Errors) {
    check_conditional_arguments(handler, errors);
    match &handler.attr.filter {
        Filter::Written(literal, pattern) => {
            check_levels(handler, literal, pattern, errors);
            check_loop(&handler.attr.options, literal, errors);
            check_parameters(handler, true, errors);
        }
        Filter::OfEvent => {
            check_parameters(handler, false, errors);
            check_event(handler, errors);
        }
        Filter::Wrong => {}
    }
    if let (Some(backoff), None) = (&handler.attr.options.backoff, handler.attr.options.retry) {
        errors.at(
            &backoff.name,
            "`backoff` is the pause before another attempt, and there is none; \
             add `retry = 3`, or remove it",
        );
    }
}

fn check_conditional_arguments(handler: &Handler<'_>, errors: &mut Errors) {
    for input in &handler.function.signature.inputs {
        let FnArg::Typed(input) = input else { continue };
        for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("cfg")) {
            errors.at(
                attribute,
                "an argument cannot depend on a condition; \
                 write two functions, each with its #[cfg]",
            );
        }
    }
}

/// Each name in the filter is that of an argument.
fn check_levels(handler: &Handler<'_>, literal: &LitStr, pattern: &Pattern, errors: &mut Errors) {
    for level in pattern.levels() {
        let Level::Wild(wildcard, Some(name)) = level else { continue };
        let is_bound = |argument: &Argument<'_>| {
            argument.name.is_some_and(|found| found.unraw() == name.as_str())
        };
        if handler.arguments.iter().any(is_bound) {
            continue;
        }
        let unbound = handler
            .arguments
            .iter()
            .filter(|argument| argument.source == Source::Message)
            .filter_map(|argument| Some(argument.name?.unraw().to_string()))
            .collect::<Vec<_>>();
        let plain = match wildcard {
            Wildcard::One => "+",
            Wildcard::Rest => "#",
        };
        let remedy = match nearest(name, unbound.iter().map(String::as_str)) {
            Some(near) if near.trim_start_matches('_') == name => {
                format!("rename the argument `{near}` to `{name}`, or write `{plain}`")
            }
            Some(near) => {
                let near = Level::Wild(*wildcard, Some(near.to_owned()));
                format!("write `{near}` like the argument, or `{plain}`")
            }
            None => format!("add one, `{name}: String`, or write `{plain}`"),
        };
        errors.at(
            literal,
            format!("there is no argument for `{level}`; {remedy} to ignore what stands there"),
        );
    }
}

/// Something names the topic.
fn check_event(handler: &Handler<'_>, errors: &mut Errors) {
    if handler.arguments.is_empty() {
        errors.at_span(
            Span::call_site(),
            "nothing names the topic: write the filter, #[subscribe(\"topic\")], \
             or take an event",
        );
    }
}

/// Arguments that can only come from the topic do.
fn check_parameters(handler: &Handler<'_>, filter_is_written: bool, errors: &mut Errors) {
    for argument in &handler.arguments {
        if argument.source != Source::Message || !is_plain(argument.ty) {
            continue;
        }
        let ty = text(argument.ty);
        match argument.name {
            Some(name) if filter_is_written => errors.at(
                name,
                format!(
                    "there is no `{{{name}}}` in the filter for the argument `{name}`; \
                     write it there as a level"
                ),
            ),
            Some(name) => errors.at(
                name,
                format!(
                    "`{name}: {ty}` can only be a part of the topic; \
                     write the filter, with `{{{name}}}` as a level: \
                     #[subscribe(\"topic/{{{name}}}\")]"
                ),
            ),
            None => errors.at(
                argument.ty,
                format!(
                    "`{ty}` can only be a part of the topic; \
                     give the argument a name, and write `{{name}}` as a level of the filter"
                ),
            ),
        }
    }
}

/// Whether a type is one of the standard library's that no message can be.
fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 21] = [
        "bool",
        "char",
        "f32",
        "f64",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "IpAddr",
        "Ipv4Addr",
        "Ipv6Addr",
        "SocketAddr",
        "PathBuf",
    ];
    let Type::Path(path) = ty else { return false };
    path.qself.is_none()
        && path.path.segments.last().is_some_and(|last| {
            last.arguments.is_none() && PLAIN.iter().any(|plain| last.ident == plain)
        })
}

/// A dead letter is not handled again by the handler that gave it up.
fn check_loop(options: &Options, literal: &LitStr, errors: &mut Errors) {
    let Some(dead_letter) = &options.dead_letter else { return };
    let (filter, topic) = (literal.value(), &dead_letter.value);
    if patterns_overlap(&filter, topic) {
        errors.at(
            &dead_letter.tokens,
            format!(
                "dead letters on `{topic}` would come back to this handler by `{filter}`; \
                 write another topic"
            ),
        );
    }
}
