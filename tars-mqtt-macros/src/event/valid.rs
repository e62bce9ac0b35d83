use proc_macro2::TokenStream;
use quote::ToTokens as _;
use syn::DeriveInput;
use syn::ext::IdentExt as _;
use tars_mqtt_topic::{Level, Pattern, PatternError, TopicNameError, Wildcard, check_topic_name};

use super::ast::{Event, Field, Shape};
use super::attr::Attr;
use super::naming::dotted;
use crate::errors::Errors;
use crate::nearest::{list, nearest};

pub(super) fn event<'a>(
    input: &'a DeriveInput,
    attr: &Attr,
    shape: &Shape<'a>,
    errors: &mut Errors,
) -> Event<'a> {
    if !attr.bare {
        check_object(input, shape, errors);
    }
    let name = input.ident.unraw().to_string();
    let event_type = match &attr.event_type {
        Some(literal) => {
            if let Err(message) = check_type(&literal.value()) {
                errors.at(literal, message);
            }
            literal.value()
        }
        None => dotted(&name),
    };
    if attr.event_type.is_none() && event_type.is_empty() {
        errors.at(
            &input.ident,
            format!("the name `{name}` makes no event type; write one: #[event(\"some.type\")]"),
        );
    }
    let mut fields = Vec::new();
    let topic = match &attr.topic {
        Some(literal) => {
            match levels(&literal.value()) {
                Ok(names) => {
                    let at = literal.to_token_stream();
                    fields = bind(&name, &names, shape, &at, errors);
                }
                Err(message) => errors.at(literal, message),
            }
            literal.value()
        }
        None => event_type.replace('.', "/"),
    };
    Event {
        ident: &input.ident,
        generics: &input.generics,
        type_name: event_type,
        topic,
        qos: attr.qos,
        retain: attr.retain,
        bare: attr.bare,
        written_alone: super::written_alone::names(input),
        fields,
    }
}

/// The data of an envelope are a JSON object.
fn check_object(input: &DeriveInput, shape: &Shape<'_>, errors: &mut Errors) {
    let name = &input.ident;
    match shape {
        Shape::Unit => errors.at(
            name,
            format!(
                "serde writes `{name}` as `null`, and an event is an object; \
                 write `struct {name} {{}}`"
            ),
        ),
        Shape::Tuple(fields) if fields.unnamed.len() != 1 => errors.at(
            fields,
            format!(
                "serde writes `{name}` as an array, and an event is an object; \
                 give the fields names: `struct {name} {{ … }}`"
            ),
        ),
        _ => {}
    }
}

/// A type becomes a topic where none is written, so it is held to what both allow.
fn check_type(event_type: &str) -> Result<(), String> {
    let problem = if event_type.is_empty() {
        "an event type cannot be empty".to_owned()
    } else if let Some(found) = event_type
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | '+' | '#' | '{' | '}'))
    {
        format!("an event type cannot contain {found:?}")
    } else if event_type.starts_with('$') {
        "an event type cannot begin with '$', which is the broker's".to_owned()
    } else {
        return check_topic_name(event_type).map_err(|error| error.to_string());
    };
    Err(format!("{problem}; write words with dots between them, like `llm.request`"))
}

/// The names that stand in a topic.
fn levels(topic: &str) -> Result<Vec<String>, String> {
    check_topic_name(topic).map_err(|error| match error {
        TopicNameError::Empty => "a topic cannot be empty; write one, or leave it out".to_owned(),
        TopicNameError::Wildcard(_) => {
            format!("{error}; write `{{field}}` to fill a level from a field")
        }
        other => other.to_string(),
    })?;
    let pattern = Pattern::parse(topic).map_err(|error| match error {
        PatternError::Shared => {
            "a topic cannot begin with `$share/`; write the topic without the group".to_owned()
        }
        PatternError::Name(name) => {
            format!("`{{{name}}}` cannot be a field; write the name of one between the braces")
        }
        PatternError::BraceInLevel(level) => format!(
            "a field takes a whole level, but this level is `{level}`; \
             write `{{field}}` between two slashes"
        ),
        other => other.to_string(),
    })?;
    for level in pattern.levels() {
        if let Level::Wild(Wildcard::Rest, Some(name)) = level {
            return Err(format!("a field fills one level; write `{{{name}}}` for `{{{name}..}}`"));
        }
    }
    Ok(pattern.names().map(str::to_owned).collect())
}

/// Finds the field for each name in a topic.
fn bind<'a>(
    event: &str,
    names: &[String],
    shape: &Shape<'a>,
    at: &TokenStream,
    errors: &mut Errors,
) -> Vec<Field<'a>> {
    let Some(first) = names.first() else { return Vec::new() };
    let Shape::Named(fields) = shape else {
        errors.at(
            at,
            format!(
                "only a named field of a struct can fill a level, and `{event}` has none; \
                 spell the level `{{{first}}}` out"
            ),
        );
        return Vec::new();
    };
    let known: Vec<String> = fields.iter().map(|field| field.ident.unraw().to_string()).collect();
    let mut bound = Vec::new();
    for name in names {
        if let Some(index) = known.iter().position(|known| known == name) {
            bound.push(fields[index]);
            continue;
        }
        let known = || known.iter().map(String::as_str);
        let hint = match (nearest(name, known()), fields.is_empty()) {
            (Some(nearest), _) => format!("; write `{{{nearest}}}`"),
            (None, false) => format!("; it has {}", list(known())),
            (None, true) => ", and no other one; add it, or spell the level out".to_owned(),
        };
        errors.at(at, format!("`{event}` has no field `{name}`{hint}"));
    }
    bound
}
