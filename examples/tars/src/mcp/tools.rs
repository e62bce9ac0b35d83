//! The tools that there are.

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{calculate, time};
use crate::contracts::{Object, ToolSpec};

/// All of them.
pub(super) const TOOLS: [Tool; 3] = [
    Tool {
        name: "calculate",
        description: "Calculates the value of an arithmetic expression.",
        takes: ("expression", "Such as (2 + 3) * 4^2 or sqrt(2); also sin, cos, ln, log10, PI, E."),
        run: |arguments| {
            let Calculate { expression } = read(arguments)?;
            Ok(Outcome::of(json!({ "value": calculate::value(&expression)? })))
        },
    },
    Tool {
        name: "time",
        description: "Tells the date and the time of day.",
        takes: ("zone?", "The time zone, such as Europe/Berlin; without, the local one."),
        run: |arguments| {
            let Time { zone } = read(arguments)?;
            Ok(Outcome::of(time::now(zone.as_deref())?))
        },
    },
    Tool {
        name: "remember",
        description: "Remembers a fact for later, and says so aloud.",
        takes: ("fact", "The fact, as a sentence: \"your cat is called Tom\"."),
        run: |arguments| {
            let Remember { fact } = read(arguments)?;
            let fact = fact.trim().trim_end_matches('.');
            ensure!(!fact.is_empty(), "`fact` is empty, and must be a sentence");
            let outcome = Outcome::of(json!({ "remembered": fact }));
            Ok(Outcome { say: Some(format!("I will remember that {fact}.")), ..outcome })
        },
    },
];

/// A tool, as a table row.
pub(super) struct Tool {
    name: &'static str,
    description: &'static str,
    /// The name and the description of the text it takes; with `?`, it may be left out.
    takes: (&'static str, &'static str),
    run: fn(Object) -> anyhow::Result<Outcome>,
}

/// What came of running a tool.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Object,
    /// What is to be said aloud.
    pub(super) say: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Calculate {
    expression: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    zone: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remember {
    fact: String,
}

impl Tool {
    /// As language models are told of it.
    pub(super) fn spec(&self) -> ToolSpec {
        let (takes, description) = self.takes;
        let name = takes.trim_end_matches('?');
        let required = if name == takes { vec![name] } else { Vec::new() };
        let function = object(json!({
            "name": self.name,
            "description": self.description,
            "parameters": {
                "type": "object",
                "properties": { name: { "type": "string", "description": description } },
                "required": required,
                "additionalProperties": false,
            },
        }));
        ToolSpec { function, ..ToolSpec::default() }
    }
}

impl Outcome {
    fn of(result: Value) -> Self {
        Self { result: object(result), say: None }
    }
}

/// Runs the tool of this name.
pub(super) fn run(name: &str, arguments: Object) -> anyhow::Result<Outcome> {
    let Some(tool) = TOOLS.iter().find(|tool| tool.name == name) else {
        let names = TOOLS.map(|tool| format!("`{}`", tool.name)).join(", ");
        bail!("there is no tool `{name}`; there are {names}")
    };
    (tool.run)(arguments).with_context(|| format!("`{name}`"))
}

fn read<T: DeserializeOwned>(arguments: Object) -> anyhow::Result<T> {
    Ok(serde_json::from_value(Value::Object(arguments))?)
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => Object::from_iter([("value".to_owned(), other)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, arguments: Value) -> Result<Value, String> {
        let outcome = run(name, object(arguments)).map_err(|error| format!("{error:#}"))?;
        Ok(Value::Object(outcome.result))
    }

    #[test]
    fn each_tool_gives_an_object() {
        assert_eq!(outcome("calculate", json!({"expression": "6 * 7"})), Ok(json!({"value": 42})));
        let fact = json!({"fact": "your cat is called Tom."});
        assert_eq!(outcome("remember", fact), Ok(json!({"remembered": "your cat is called Tom"})));
        assert!(outcome("time", json!({})).unwrap()["time"].is_string());
    }

    #[test]
    fn what_is_remembered_is_said() {
        let fact = object(json!({"fact": "your cat is called Tom"}));
        let say = run("remember", fact).unwrap().say;
        assert_eq!(say.unwrap(), "I will remember that your cat is called Tom.");
    }

    #[test]
    fn errors_say_what_was_found_and_what_there_is() {
        let error = outcome("fly", json!({})).unwrap_err();
        assert_eq!(error, "there is no tool `fly`; there are `calculate`, `time`, `remember`");
        let error = outcome("calculate", json!({})).unwrap_err();
        assert_eq!(error, "`calculate`: missing field `expression`");
        let error = outcome("calculate", json!({"expression": 3})).unwrap_err();
        assert!(error.contains("invalid type: integer `3`, expected a string"), "{error}");
        let error = outcome("remember", json!({"fact": " "})).unwrap_err();
        assert_eq!(error, "`remember`: `fact` is empty, and must be a sentence");
        let error = outcome("time", json!({"zone": null, "planet": "Mars"})).unwrap_err();
        assert!(error.contains("unknown field `planet`, expected `zone`"), "{error}");
    }

    #[test]
    fn models_are_told_what_each_tool_takes() {
        let parameters = |name: &str| {
            let tool = TOOLS.iter().find(|tool| tool.name == name).unwrap();
            tool.spec().function["parameters"].clone()
        };
        assert_eq!(parameters("calculate")["required"], json!(["expression"]));
        assert_eq!(parameters("time")["required"], json!([]));
        assert_eq!(parameters("time")["properties"]["zone"]["type"], "string");
    }
}
