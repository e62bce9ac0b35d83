use syn::ext::IdentExt as _;
use syn::{FnArg, Ident, Pat, PatType, Type};
use tars_mqtt_topic::{Pattern, Wildcard};

use super::attr::{Attr, Filter};
use crate::signature::Function;

/// A function and what its attribute makes of it.
pub(super) struct Handler<'a> {
    pub(super) function: &'a Function,
    pub(super) attr: Attr,
    pub(super) arguments: Vec<Argument<'a>>,
}

pub(super) struct Argument<'a> {
    /// The name it is bound to, if its pattern is just that.
    pub(super) name: Option<&'a Ident>,
    pub(super) ty: &'a Type,
    pub(super) source: Source,
}

/// Where an argument comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The wildcard that begins at this level of the topic.
    Topic(usize, Wildcard),
    Message,
}

impl<'a> Handler<'a> {
    pub(super) fn of(function: &'a Function, attr: Attr) -> Self {
        let pattern = match &attr.filter {
            Filter::Written(_, pattern) => Some(pattern),
            _ => None,
        };
        let arguments = function
            .signature
            .inputs
            .iter()
            .filter_map(|input| match input {
                FnArg::Receiver(_) => None,
                FnArg::Typed(input) => Some(Argument::of(input, pattern)),
            })
            .collect();
        Self { function, attr, arguments }
    }

    /// What is taken from the message, in order.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Argument<'a>> {
        self.arguments.iter().filter(|argument| argument.source == Source::Message)
    }
}

impl<'a> Argument<'a> {
    fn of(input: &'a PatType, pattern: Option<&Pattern>) -> Self {
        let name = match &*input.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => Some(&pat.ident),
            _ => None,
        };
        let source = name
            .and_then(|name| pattern?.position(&name.unraw().to_string()))
            .map_or(Source::Message, |(level, wildcard)| Source::Topic(level, wildcard));
        Self { name, ty: &input.ty, source }
    }
}
