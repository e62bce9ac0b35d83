//! A conversation by rules, for when there is no language model: it greets, tells about itself, looks at
//! the clock, calculates, remembers and recalls. What it cannot do itself, the tools do.

mod arithmetic;
mod intent;
mod person;
mod recall;

use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter, once};
use serde_json::{Value, json};

use super::conversation::{Conversation, ToolCall, Turn};
use super::model::{Piece, Pieces};
use crate::contracts::Object;
use intent::Intent;

/// How much of what is remembered is looked at: the same question may be there often.
const MEMORIES: u32 = 50;

/// The rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How long a word takes.
    pub(super) pace: Duration,
}

/// What the rules answer.
#[derive(Debug, PartialEq)]
enum Response {
    Say(String),
    Call(&'static str, Value),
}

impl Rules {
    pub(super) fn wants_memories(question: &str) -> Option<u32> {
        matches!(Intent::of(question), Intent::Recall).then_some(MEMORIES)
    }

    pub(super) fn respond(self, conversation: &Conversation) -> Pieces<'static> {
        match respond(conversation) {
            Response::Call(tool, arguments) => {
                let (name, arguments) = (tool.to_owned(), arguments.to_string());
                let call = ToolCall { id: name.clone(), name, arguments };
                once(std::future::ready(Ok(Piece::Call(call)))).boxed()
            }
            Response::Say(text) => {
                let words: Vec<_> = text.split_inclusive(' ').map(str::to_owned).collect();
                let words = iter(words).then(move |word| async move {
                    tokio::time::sleep(self.pace).await;
                    Ok(Piece::Text(word))
                });
                words.boxed()
            }
        }
    }
}

fn respond(conversation: &Conversation) -> Response {
    if let Some(Turn::Result(call, result)) = conversation.turns.last() {
        return Response::Say(outcome(&call.name, result));
    }
    let name = &conversation.name;
    let question = conversation.question();
    let say = |text: &str| Response::Say(text.to_owned());
    match Intent::of(question) {
        Intent::Greeting => Response::Say(format!("Hello. I am {name}. What can I do for you?")),
        Intent::Mood => say("All my systems are well. Thank you for asking. How are you?"),
        Intent::About => Response::Say(format!(
            "I am {name}, a robot made of ten small services. They talk with each other by \
             messages, and one of them is me. Without a language model I follow a few rules. I can \
             tell the time, calculate, remember what you tell me, and move a little."
        )),
        Intent::Joke => {
            say("Why did the robot cross the road? Because it was programmed by a chicken. I have \
             another one, but its delivery is still pending.")
        }
        Intent::Thanks => say("You are welcome."),
        Intent::Farewell => say("Goodbye. I will be here."),
        Intent::Time => call(conversation, "time", json!({})),
        Intent::Calculate(expression) => {
            call(conversation, "calculate", json!({ "expression": expression }))
        }
        Intent::Remember(fact) => {
            call(conversation, "remember", json!({ "fact": person::turned(&fact) }))
        }
        Intent::Recall => Response::Say(recall::answer(question, conversation.memories.as_deref())),
        Intent::Unknown => say(
            "I am not sure what to make of that. Ask me what I can do, or tell me something to \
             remember.",
        ),
    }
}

fn call(conversation: &Conversation, tool: &'static str, arguments: Value) -> Response {
    let mut tools = conversation.tools.iter();
    if tools.any(|offered| offered.function.get("name").is_some_and(|name| name == tool)) {
        Response::Call(tool, arguments)
    } else {
        Response::Say(format!("For that I need the tool \"{tool}\". It is not there right now."))
    }
}

/// What came of a tool, in words.
fn outcome(tool: &str, result: &Result<Object, String>) -> String {
    let result = match result {
        Ok(result) => result,
        Err(error) => return format!("That did not work. My tool says: {error}."),
    };
    let text = |field: &str| match result.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => "unknown".to_owned(),
    };
    match tool {
        "calculate" => format!("That makes {}.", text("value")),
        "time" => format!("It is {} on {}.", text("time"), text("weekday")),
        "remember" => "Noted. Ask me whenever you need it.".to_owned(),
        _ => "Done.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contracts::{Role, ToolSpec};

    fn asked(question: &str, tools: &[&str]) -> Conversation {
        let tool = |name: &&str| ToolSpec {
            function: Object::from_iter([("name".to_owned(), (*name).into())]),
            ..ToolSpec::default()
        };
        Conversation {
            name: "TARS".into(),
            turns: vec![Turn::Said(Role::User, question.into())],
            tools: tools.iter().map(tool).collect(),
            ..Conversation::default()
        }
    }

    fn said(conversation: &Conversation) -> String {
        match respond(conversation) {
            Response::Say(text) => text,
            other @ Response::Call(..) => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_talks_about_itself_in_several_sentences() {
        let text = said(&asked("Who are you?", &[]));
        assert!(text.starts_with("I am TARS") && text.matches(". ").count() >= 3, "{text}");
        assert_eq!(said(&asked("hello", &[])), "Hello. I am TARS. What can I do for you?");
    }

    #[test]
    fn what_it_cannot_do_itself_it_has_tools_do() {
        let calls = |question, tool| respond(&asked(question, &[tool]));
        let expected = Response::Call("calculate", json!({"expression": "12 * 7"}));
        assert_eq!(calls("What is 12 times 7?", "calculate"), expected);
        let expected = Response::Call("remember", json!({"fact": "your cat is called Tom"}));
        assert_eq!(calls("Remember that my cat is called Tom.", "remember"), expected);
        assert_eq!(calls("what time is it", "time"), Response::Call("time", json!({})));
        let text = said(&asked("what time is it", &[]));
        assert_eq!(text, r#"For that I need the tool "time". It is not there right now."#);
    }

    #[test]
    fn what_a_tool_gives_is_told_in_words() {
        let told = |tool: &str, result: Result<Value, &str>| {
            let mut conversation = asked("?", &[]);
            let result = result.map(|value| value.as_object().unwrap().clone());
            let call = ToolCall { name: tool.into(), ..ToolCall::default() };
            conversation.turns.push(Turn::Result(call, result.map_err(str::to_owned)));
            said(&conversation)
        };
        assert_eq!(told("calculate", Ok(json!({"value": 84}))), "That makes 84.");
        let time = json!({"time": "14:05", "weekday": "Wednesday"});
        assert_eq!(told("time", Ok(time)), "It is 14:05 on Wednesday.");
        assert_eq!(told("remember", Ok(json!({}))), "Noted. Ask me whenever you need it.");
        let error = "That did not work. My tool says: no.";
        assert_eq!(told("calculate", Err("no")), error);
    }
}
