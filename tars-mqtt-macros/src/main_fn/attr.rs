use std::time::Duration;

use syn::{Error, Result};
use tars_mqtt_topic::is_unwanted;

use crate::duration::Limit;
use crate::errors::Errors;
use crate::krate;
use crate::options::{Arguments, Given, known};
use crate::value;

const OPTIONS: [&str; 9] = [
    "client_id",
    "source",
    "health",
    "heartbeat",
    "dedupe",
    "dedupe_key",
    "flavor",
    "worker_threads",
    krate::OPTION,
];

/// What `#[tars_mqtt::main]` says.
#[derive(Default)]
pub(super) struct Options {
    pub(super) client_id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) health: Option<bool>,
    pub(super) heartbeat: Option<Limit>,
    pub(super) dedupe: Option<Limit>,
    /// A variant of the runtime's `DedupeKey`.
    pub(super) dedupe_key: Option<&'static str>,
    pub(super) current_thread: bool,
    pub(super) worker_threads: Option<u64>,
}

pub(super) fn get(arguments: Arguments, errors: &mut Errors) -> Options {
    if let Some(first) = arguments.first {
        errors.at(first, "an option has a name: write `name = value`");
    }
    let mut options = Options::default();
    for given in known(arguments.options, &OPTIONS, errors) {
        errors.ok(options.set(&given));
    }
    options
}

impl Options {
    fn set(&mut self, given: &Given) -> Result<()> {
        match given.name.to_string().as_str() {
            "client_id" => self.client_id = Some(client_id(given)?),
            "source" => self.source = Some(source(given)?),
            "health" => self.health = Some(value::flag(given)?),
            "heartbeat" => self.heartbeat = Some(heartbeat(given)?),
            "dedupe" => self.dedupe = Some(value::duration_or_off(given, "30s")?),
            "dedupe_key" => {
                let choices = [("full", "Full"), ("tars", "Tars")];
                self.dedupe_key = Some(value::choice(given, &choices)?);
            }
            "flavor" => {
                let choices = [("multi_thread", false), ("current_thread", true)];
                self.current_thread = value::choice(given, &choices)?;
            }
            "worker_threads" => {
                self.worker_threads = Some(value::integer(given, &(1..=1024))?);
            }
            _ => krate::check(given)?,
        }
        Ok(())
    }
}

fn client_id(given: &Given) -> Result<String> {
    let literal = value::text(given, "my-service")?;
    let client_id = literal.value();
    if client_id.is_empty()
        || client_id.contains(|c| matches!(c, '/' | '+' | '#') || is_unwanted(c))
    {
        let rule = "a client id is one level of a topic, without `/`, `+` or `#`; \
                    write `client_id = \"my-service\"`";
        return Err(Error::new_spanned(literal, rule));
    }
    Ok(client_id)
}

fn source(given: &Given) -> Result<String> {
    let literal = value::text(given, "my-service")?;
    if literal.value().is_empty() {
        let rule = "a source has a name; write `source = \"my-service\"`";
        return Err(Error::new_spanned(literal, rule));
    }
    Ok(literal.value())
}

fn heartbeat(given: &Given) -> Result<Limit> {
    let interval = value::duration_or_off(given, "5s")?;
    if interval.is_some_and(|interval| interval < Duration::from_secs(1)) {
        let rule = "at most one heartbeat a second is sent; write `heartbeat = \"1s\"`";
        return Err(Error::new_spanned(&given.value, rule));
    }
    Ok(interval)
}
