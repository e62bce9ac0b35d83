//! The settings of a model that a request may choose.

use serde_json::{Value, json};

use crate::contracts::Object;

/// How many texts may end an answer, and how long each may be.
const STOPS: usize = 4;
const LONGEST_STOP: usize = 64;

/// The most that an answer may cost, in tokens.
const MOST_TOKENS: f64 = 4096.0;

/// Of what a request asks for, what it may choose, within its bounds. What is left out, such as the
/// model and how many answers it gives, is for whoever runs the service to choose: it costs money.
pub(super) fn allowed(asked: &Object) -> Object {
    asked.iter().filter_map(|(name, value)| Some((name.clone(), bounded(name, value)?))).collect()
}

fn bounded(name: &str, value: &Value) -> Option<Value> {
    match name {
        "temperature" => number(value, 0.0, 2.0),
        "top_p" => number(value, 0.0, 1.0),
        "presence_penalty" | "frequency_penalty" => number(value, -2.0, 2.0),
        "max_tokens" | "max_completion_tokens" => {
            let wanted = value.as_f64().filter(|wanted| wanted.fract() == 0.0)?;
            // Whole, and small enough.
            #[expect(clippy::cast_possible_truncation, reason = "it is bounded")]
            Some(json!(wanted.clamp(1.0, MOST_TOKENS) as i64))
        }
        "seed" => value.as_i64().map(Value::from),
        "stop" => stop(value),
        _ => None,
    }
}

fn number(value: &Value, lowest: f64, highest: f64) -> Option<Value> {
    let wanted = value.as_f64()?;
    let is_within = (lowest..=highest).contains(&wanted);
    Some(if is_within { value.clone() } else { json!(wanted.clamp(lowest, highest)) })
}

fn stop(value: &Value) -> Option<Value> {
    let is_short = |text: &Value| text.as_str().is_some_and(|text| text.len() <= LONGEST_STOP);
    match value {
        Value::Array(texts) => {
            let texts: Vec<_> =
                texts.iter().filter(|text| is_short(text)).take(STOPS).cloned().collect();
            (!texts.is_empty()).then_some(Value::Array(texts))
        }
        text => is_short(text).then(|| text.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(asked: Value) -> Value {
        let Value::Object(asked) = asked else { panic!("{asked}") };
        Value::Object(super::allowed(&asked))
    }

    #[test]
    fn what_costs_money_or_is_unknown_is_left_out() {
        let asked = json!({
            "model": "the-dearest", "n": 100, "stream": false, "messages": [], "tools": [],
            "best_of": 20, "logit_bias": {}, "reasoning_effort": "high", "user": "x", "seed": 3,
            "temperature": 0.2,
        });
        assert_eq!(allowed(asked), json!({ "seed": 3, "temperature": 0.2 }));
    }

    #[test]
    fn what_is_out_of_bounds_is_brought_within_them() {
        let asked = json!({
            "temperature": 1e300, "top_p": -1, "presence_penalty": -3, "max_tokens": 1e12,
            "frequency_penalty": 1, "max_completion_tokens": -5, "stop": ["a", "b", 3, "c", "d", "e"],
        });
        let expected = json!({
            "temperature": 2.0, "top_p": 0.0, "presence_penalty": -2.0, "max_tokens": 4096,
            "frequency_penalty": 1, "max_completion_tokens": 1, "stop": ["a", "b", "c", "d"],
        });
        assert_eq!(allowed(asked), expected);
        let odd =
            json!({ "temperature": "hot", "max_tokens": 1.5, "seed": 1.5, "stop": "x".repeat(65) });
        assert_eq!(allowed(odd), json!({}));
    }
}
