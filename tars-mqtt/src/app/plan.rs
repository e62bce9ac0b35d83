use tars_mqtt_topic::{Pattern, patterns_overlap};

use crate::error::{Error, MissingState, Result};
use crate::extract::{Requirements, States};
use crate::handler::Registration;
use crate::spec::HandlerSpec;

/// Checks that a service is put together right, before it connects.
pub(super) fn check(handlers: &[Registration], states: &States) -> Result<()> {
    if handlers.is_empty() {
        return Err(Error::NoHandlers);
    }
    let mut missing = Vec::new();
    for handler in handlers {
        let mut requirements = Requirements::new(states);
        (handler.requirements)(&mut requirements);
        missing.extend(
            requirements
                .missing()
                .into_iter()
                .map(|state| MissingState { handler: handler.spec.place(), state }),
        );
    }
    if !missing.is_empty() {
        return Err(Error::MissingState(missing));
    }
    for (index, handler) in handlers.iter().enumerate() {
        for other in &handlers[..index] {
            conflict(handler.spec, other.spec)?;
        }
    }
    Ok(())
}

/// A message does not say which subscription it came by, so one client cannot be in a group and
/// outside of it with filters that match the same topics.
fn conflict(one: &HandlerSpec, other: &HandlerSpec) -> Result<()> {
    let have_own_connections = one.options.isolated || other.options.isolated;
    if have_own_connections
        || one.options.group == other.options.group
        || !patterns_overlap(one.pattern, other.pattern)
    {
        return Ok(());
    }
    let group = |spec: &HandlerSpec| match spec.options.group {
        Some(group) => format!("group \"{group}\""),
        None => "no group".to_owned(),
    };
    Err(Error::Conflict(format!(
        "{} ({}) and {} ({}) match the same topics, but a message does not say which subscription \
         it came by; give both the same group, or put them into two services",
        one.place(),
        group(one),
        other.place(),
        group(other)
    )))
}

/// The filter of a handler, without names, and as it is subscribed to.
pub(super) fn filters(spec: &HandlerSpec) -> Result<(String, String)> {
    let pattern = Pattern::parse(spec.pattern)
        .map_err(|reason| Error::Filter { filter: spec.pattern.to_owned(), reason })?;
    let filter = pattern.filter();
    let subscription = match spec.options.group {
        Some(group) => format!("$share/{group}/{filter}"),
        None => filter.clone(),
    };
    Ok((filter, subscription))
}

/// Says which handlers there are.
pub(super) fn announce(handlers: &[Registration]) {
    for Registration { spec, .. } in handlers {
        let options = &spec.options;
        tracing::info!(
            handler = spec.name,
            filter = spec.pattern,
            qos = spec.qos().level(),
            concurrency = options.concurrency,
            queue = options.queue,
            overflow = ?options.overflow,
            timeout = ?options.timeout,
            retry = options.retry,
            dead_letter = options.dead_letter,
            ack = ?options.ack,
            group = options.group,
            isolated = options.isolated,
            at = format_args!("{}:{}", spec.file, spec.line),
            "a handler"
        );
    }
}
