//! The pieces of an answer in the stream of a server.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow};
use serde::Deserialize;
use serde_json::Value;

use super::conversation::ToolCall;
use super::model::Piece;
use crate::contracts::Object;
use crate::shown::quoted;

/// How many tools a model may call at once, and how long a call may be, in bytes.
const CALLS: usize = 16;
const LONGEST_CALL: usize = 64 << 10;

/// How long an answer may be, in bytes: it is sent as one message.
const LONGEST_ANSWER: usize = 256 << 10;

/// What a server sends when the stream is complete.
const DONE: &str = "[DONE]";

/// Reads the stream, event by event.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Calls come in parts, too.
    calls: BTreeMap<usize, ToolCall>,
    /// Bytes of text that have come.
    length: usize,
    finished: bool,
    over: bool,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Object>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Deserialize)]
struct CallDelta {
    #[serde(default)]
    index: usize,
    id: Option<String>,
    #[serde(default)]
    function: FunctionDelta,
}

#[derive(Default, Deserialize)]
struct FunctionDelta {
    name: Option<String>,
    arguments: Option<String>,
}

type Pieces = Vec<anyhow::Result<Piece>>;

impl Reader {
    pub(super) fn read(&mut self, data: &str) -> Pieces {
        if self.over {
            return Vec::new();
        }
        if data.trim() == DONE {
            self.finished = true;
            return self.end();
        }
        let chunk = serde_json::from_str(data).with_context(|| {
            format!("the model's server sends what is no chunk: {:?}", quoted(data))
        });
        match chunk {
            Ok(Chunk { error: Some(error), .. }) => {
                let reason = error.get("message").unwrap_or(&error);
                let reason = reason.as_str().map_or_else(|| reason.to_string(), str::to_owned);
                self.fail(anyhow!("the model's server says: {reason}"))
            }
            Ok(chunk) => self.take(chunk),
            Err(error) => self.fail(error),
        }
    }

    /// The stream has ended, in order or not.
    pub(super) fn end(&mut self) -> Pieces {
        if self.over {
            return Vec::new();
        }
        if !self.finished {
            return self.fail(anyhow!("the model's server broke off in the middle of the answer"));
        }
        self.over = true;
        let calls = std::mem::take(&mut self.calls);
        calls.into_values().map(|call| Ok(Piece::Call(call))).collect()
    }

    pub(super) fn fail(&mut self, error: anyhow::Error) -> Pieces {
        if std::mem::replace(&mut self.over, true) { Vec::new() } else { vec![Err(error)] }
    }

    fn take(&mut self, chunk: Chunk) -> Pieces {
        let mut pieces = Vec::new();
        for choice in chunk.choices {
            self.finished |= choice.finish_reason.is_some();
            let text = choice.delta.content.filter(|text| !text.is_empty());
            self.length += text.as_ref().map_or(0, String::len);
            if self.length > LONGEST_ANSWER {
                let error = anyhow!("the model's answer has more than {LONGEST_ANSWER} bytes");
                pieces.extend(self.fail(error));
                return pieces;
            }
            pieces.extend(text.map(|text| Ok(Piece::Text(text))));
            for part in choice.delta.tool_calls.into_iter().flatten() {
                if self.calls.len() >= CALLS && !self.calls.contains_key(&part.index) {
                    let error = anyhow!("the model calls more than {CALLS} tools at once");
                    pieces.extend(self.fail(error));
                    return pieces;
                }
                let call = self.calls.entry(part.index).or_default();
                call.id += &part.id.unwrap_or_default();
                call.name += &part.function.name.unwrap_or_default();
                call.arguments += &part.function.arguments.unwrap_or_default();
                if call.id.len() + call.name.len() + call.arguments.len() > LONGEST_CALL {
                    let error = anyhow!("a call of the model has more than {LONGEST_CALL} bytes");
                    pieces.extend(self.fail(error));
                    return pieces;
                }
            }
        }
        pieces.extend(chunk.usage.map(|tokens| Ok(Piece::Tokens(tokens))));
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a stream, errors as texts.
    fn read(events: &[&str]) -> Vec<Result<Piece, String>> {
        let mut reader = Reader::default();
        let mut pieces: Pieces = events.iter().flat_map(|event| reader.read(event)).collect();
        pieces.extend(reader.end());
        pieces.into_iter().map(|piece| piece.map_err(|error| format!("{error:#}"))).collect()
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn text_comes_as_it_is_sent() {
        let pieces = read(&[
            r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"Hel"}}]}"#,
            r#"{"choices":[{"delta":{"content":"lo."},"finish_reason":"stop"}]}"#,
            r#"{"choices":[],"usage":{"total_tokens":3}}"#,
            DONE,
        ]);
        let tokens = Object::from_iter([("total_tokens".to_owned(), 3.into())]);
        assert_eq!(pieces, [Ok(text("Hel")), Ok(text("lo.")), Ok(Piece::Tokens(tokens))]);
    }

    #[test]
    fn calls_are_put_together_from_their_parts() {
        let pieces = read(&[
            r#"{"choices":[{"delta":{"tool_calls":[
                {"index":0,"id":"a","function":{"name":"time","arguments":""}},
                {"index":1,"id":"b","function":{"name":"calculate","arguments":"{\"expr"}}]}}]}"#,
            r#"{"choices":[{"delta":{"tool_calls":[
                {"index":1,"function":{"arguments":"ession\":\"1\"}"}}]},
                "finish_reason":"tool_calls"}]}"#,
        ]);
        let call = |id: &str, name: &str, arguments: &str| {
            let (id, name, arguments) = (id.into(), name.into(), arguments.into());
            Ok(Piece::Call(ToolCall { id, name, arguments }))
        };
        let calculate = call("b", "calculate", r#"{"expression":"1"}"#);
        assert_eq!(pieces, [call("a", "time", ""), calculate]);
    }

    #[test]
    fn an_answer_or_a_call_without_end_is_refused() {
        let content = "x".repeat(10_000);
        let text = format!(r#"{{"choices":[{{"delta":{{"content":"{content}"}}}}]}}"#);
        let part = |index: usize| {
            format!(
                r#"{{"choices":[{{"delta":{{"tool_calls":[
                    {{"index":{index},"function":{{"arguments":"{content}"}}}}]}}}}]}}"#
            )
        };
        let few = ["the model calls more than 16 tools at once".to_owned()];
        for (events, reason) in [
            (vec![text; 100], "the model's answer has more than 262144 bytes"),
            (vec![part(0); 100], "a call of the model has more than 65536 bytes"),
            ((0..100).map(part).collect(), &few[0]),
        ] {
            let events: Vec<&str> = events.iter().map(String::as_str).collect();
            assert_eq!(read(&events).last().unwrap().clone().unwrap_err(), reason);
        }
    }

    #[test]
    fn a_stream_that_goes_wrong_ends_with_the_reason_and_nothing_after_it() {
        let begin = r#"{"choices":[{"delta":{"content":"Hel"}}]}"#;
        let broken = "the model's server broke off in the middle of the answer";
        assert_eq!(read(&[begin]), [Ok(text("Hel")), Err(broken.into())]);
        let refused = r#"{"error":{"message":"overloaded"}}"#;
        let reason = "the model's server says: overloaded";
        assert_eq!(read(&[begin, refused, begin]), [Ok(text("Hel")), Err(reason.into())]);
        let [Err(error)] = &read(&["Hello"])[..] else { panic!() };
        assert!(
            error.starts_with("the model's server sends what is no chunk: \"Hello\""),
            "{error}"
        );
    }
}
