use std::time::Duration;

use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};
use tars_mqtt_topic::{Pattern, check_topic_name, is_unwanted};

use crate::duration::{self, Limit};
use crate::errors::Errors;
use crate::krate;
use crate::options::{Arguments, Given, known};
use crate::value::{self, Written};

const OPTIONS: [&str; 14] = [
    "qos",
    "concurrency",
    "queue",
    "overflow",
    "timeout",
    "retry",
    "backoff",
    "dead_letter",
    "ack",
    "group",
    "accept_bare",
    "isolated",
    "other_types",
    krate::OPTION,
];

/// What `#[subscribe]` says.
#[derive(Default)]
pub(super) struct Attr {
    pub(super) filter: Filter,
    pub(super) options: Options,
}

#[derive(Default)]
pub(super) enum Filter {
    #[default]
    OfEvent,
    Written(LitStr, Pattern),
    /// Refused already.
    Wrong,
}

#[derive(Default)]
pub(super) struct Options {
    pub(super) qos: Option<u64>,
    pub(super) concurrency: Option<u64>,
    pub(super) queue: Option<u64>,
    /// A variant of the runtime's `Overflow`.
    pub(super) overflow: Option<&'static str>,
    pub(super) timeout: Option<Limit>,
    pub(super) retry: Option<u64>,
    pub(super) backoff: Option<Written<(Duration, Duration)>>,
    pub(super) dead_letter: Option<Written<String>>,
    /// A variant of the runtime's `AckMode`.
    pub(super) ack: Option<&'static str>,
    pub(super) group: Option<String>,
    pub(super) accept_bare: bool,
    pub(super) isolated: bool,
    /// A variant of the runtime's `OtherTypes`.
    pub(super) other_types: Option<&'static str>,
}

pub(super) fn get(arguments: Arguments, errors: &mut Errors) -> Attr {
    let mut attr = Attr::default();
    if let Some(first) = arguments.first {
        attr.filter = errors.ok(filter(first)).unwrap_or(Filter::Wrong);
    }
    let mut options = arguments.options;
    options.retain(|option| {
        let message = misplaced_filter(option);
        if let Some(message) = &message {
            errors.at(&option.name, message);
            attr.filter = Filter::Wrong;
        }
        message.is_none()
    });
    for given in known(options, &OPTIONS, errors) {
        errors.ok(attr.options.set(&given));
    }
    attr
}

fn filter(first: Expr) -> Result<Filter> {
    match first {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => {
            match Pattern::parse(&literal.value()) {
                Ok(pattern) => Ok(Filter::Written(literal, pattern)),
                Err(error) => Err(Error::new_spanned(literal, error)),
            }
        }
        other => {
            Err(Error::new_spanned(other, "the filter is a text: write #[subscribe(\"topic\")]"))
        }
    }
}

/// A filter that was taken for an option.
fn misplaced_filter(option: &Given) -> Option<String> {
    let name = &option.name;
    if ["filter", "topic", "pattern", "path"].iter().any(|word| option.is(word)) {
        let text = option.text_or("topic");
        return Some(format!(
            "the filter stands first, without a name: write #[subscribe(\"{text}\")]"
        ));
    }
    let is_constant = option.value.is_none() && name.to_string().starts_with(char::is_uppercase);
    is_constant
        .then(|| format!("the filter is written out: put the text of `{name}` here, in quotes"))
}

impl Options {
    fn set(&mut self, given: &Given) -> Result<()> {
        match given.name.to_string().as_str() {
            "qos" => self.qos = Some(value::integer(given, &(0..=2))?),
            "concurrency" => self.concurrency = Some(value::integer(given, &(1..=1024))?),
            "queue" => self.queue = Some(value::integer(given, &(1..=1_000_000))?),
            "overflow" => {
                let choices = [("drop_oldest", "DropOldest"), ("drop_new", "DropNew")];
                self.overflow = Some(value::choice(given, &choices)?);
            }
            "timeout" => self.timeout = Some(value::duration_or_off(given, "30s")?),
            "retry" => self.retry = Some(value::integer(given, &(0..=1000))?),
            "backoff" => self.backoff = Some(Written::new(given, backoff(given)?)),
            "dead_letter" => self.dead_letter = Some(Written::new(given, dead_letter(given)?)),
            "ack" => {
                let choices = [("on_handled", "OnHandled"), ("on_receive", "OnReceive")];
                self.ack = Some(value::choice(given, &choices)?);
            }
            "group" => self.group = Some(group(given)?),
            "other_types" => {
                let choices = [("ignore", "Ignore"), ("reject", "Reject")];
                self.other_types = Some(value::choice(given, &choices)?);
            }
            "accept_bare" => self.accept_bare = value::flag(given)?,
            "isolated" => self.isolated = value::flag(given)?,
            _ => krate::check(given)?,
        }
        Ok(())
    }
}

fn backoff(given: &Given) -> Result<(Duration, Duration)> {
    let literal = value::text(given, "100ms..5s")?;
    let text = literal.value();
    let Some((shortest, longest)) = text.split_once("..") else {
        let rule = "`backoff` goes from the shortest pause to the longest: \
                    write `backoff = \"100ms..5s\"`";
        return Err(Error::new_spanned(literal, rule));
    };
    let parse =
        |text: &str| duration::parse(text).map_err(|error| Error::new_spanned(literal, error));
    let (shortest, longest) = (parse(shortest)?, parse(longest)?);
    if shortest > longest {
        let (first, second) = text.split_once("..").unwrap_or_default();
        let rule =
            format!("the shorter pause stands first: write `backoff = \"{second}..{first}\"`");
        return Err(Error::new_spanned(literal, rule));
    }
    Ok((shortest, longest))
}

fn dead_letter(given: &Given) -> Result<String> {
    let literal = value::text(given, "dead/letters")?;
    let topic = literal.value();
    if topic.contains(['{', '}']) {
        let rule = "dead letters go to one topic, which has no parameters; \
                    write `dead_letter = \"dead/letters\"`";
        return Err(Error::new_spanned(literal, rule));
    }
    check_topic_name(&topic).map_err(|error| {
        let rule = format!("{error}; write `dead_letter = \"dead/letters\"`");
        Error::new_spanned(literal, rule)
    })?;
    Ok(topic)
}

fn group(given: &Given) -> Result<String> {
    let literal = value::text(given, "workers")?;
    let group = literal.value();
    if group.is_empty() || group.contains(|c| matches!(c, '/' | '+' | '#') || is_unwanted(c)) {
        let rule = "a group's name is one level of a topic, without `/`, `+` or `#`; \
                    write `group = \"workers\"`";
        return Err(Error::new_spanned(literal, rule));
    }
    Ok(group)
}
