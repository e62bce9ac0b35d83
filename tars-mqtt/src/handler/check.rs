//! What is checked of a handler while the program is compiled, once the types are known.
//!
//! These functions run in constant expressions; a panic there is an error of the compiler, shown
//! where the function was called.

use tars_mqtt_topic::patterns_overlap;

use crate::event::EventInfo;

/// What an argument takes from a message.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// The name it is bound to, if it is.
    pub name: Option<&'static str>,
    /// Its type, as it is written.
    pub text: &'static str,
    /// Whether it takes the payload.
    pub takes_payload: bool,
    /// The event it reads, if it is one.
    pub event: Option<EventInfo>,
}

/// The argument at `index` does not take a payload that an earlier one has taken.
///
/// # Panics
///
/// Otherwise.
#[track_caller]
pub const fn check_payload(arguments: &[Argument], index: usize) {
    let argument = &arguments[index];
    let mut before = 0;
    while before < index {
        if arguments[before].takes_payload && argument.takes_payload {
            let mut message = Text::new();
            message.push("two arguments take the payload: `");
            message.push(arguments[before].text);
            message.push("` and `");
            message.push(argument.text);
            message.push("`; keep one");
            message.push_parameter(argument);
            message.push_parameter(&arguments[before]);
            panic!("{}", message.as_str());
        }
        before += 1;
    }
}

/// The events among the arguments can arrive by the filter.
///
/// # Panics
///
/// Otherwise.
#[track_caller]
pub const fn check_filter(filter: &str, arguments: &[Argument]) {
    let mut index = 0;
    while index < arguments.len() {
        let argument = &arguments[index];
        if let Some(event) = argument.event
            && !patterns_overlap(filter, event.topic)
        {
            let mut message = Text::new();
            message.push("`");
            message.push(filter);
            message.push("` never receives `");
            message.push(argument.text);
            message.push("`, which is published on `");
            message.push(event.topic);
            message.push("`; write #[subscribe(\"");
            message.push(event.topic);
            message.push("\")], or #[subscribe] to take the topic from the event");
            panic!("{}", message.as_str());
        }
        index += 1;
    }
}

/// There is an event among the arguments, whose topic stands for the filter.
///
/// # Panics
///
/// Otherwise.
#[track_caller]
pub const fn check_topic(arguments: &[Argument]) {
    let mut index = 0;
    while index < arguments.len() {
        if let Some(event) = arguments[index].event {
            // What stands in for an event that was refused has no type, and has been told of.
            if !event.event_type.is_empty() && takes_everything(event.topic) {
                let mut message = Text::new();
                message.push("`");
                message.push(arguments[index].text);
                message.push("` has no topic of its own, and would be looked for in everything; ");
                message.push("write the topic: #[subscribe(\"topic\")]");
                panic!("{}", message.as_str());
            }
            return;
        }
        index += 1;
    }
    panic!("no argument is an event that names the topic; write it: #[subscribe(\"topic\")]");
}

/// Whether a pattern matches on every topic, or all but those of the broker.
const fn takes_everything(pattern: &str) -> bool {
    let pattern = pattern.as_bytes();
    let len = pattern.len();
    matches!(pattern, b"#" | b"+/#")
        || (len > 4 && pattern[0] == b'{' && pattern[len - 3] == b'.' && pattern[len - 2] == b'.')
}

/// Dead letters do not come back to the handler that gave them up.
///
/// # Panics
///
/// Otherwise.
#[track_caller]
pub const fn check_dead_letter(topic: &str, arguments: &[Argument]) {
    let mut index = 0;
    while index < arguments.len() {
        if let Some(event) = arguments[index].event
            && patterns_overlap(event.topic, topic)
        {
            let mut message = Text::new();
            message.push("dead letters on `");
            message.push(topic);
            message.push("` would come back to this handler by `");
            message.push(event.topic);
            message.push("`; write another topic");
            panic!("{}", message.as_str());
        }
        index += 1;
    }
}

/// A message put together in a constant expression, where `format!` does not work. What is longer
/// than any line to read is left out.
struct Text {
    bytes: [u8; 1024],
    len: usize,
}

impl Text {
    const fn new() -> Self {
        Self { bytes: [0; 1024], len: 0 }
    }

    const fn push(&mut self, text: &str) {
        if text.len() > self.bytes.len() - self.len {
            return;
        }
        let mut index = 0;
        while index < text.len() {
            self.bytes[self.len] = text.as_bytes()[index];
            self.len += 1;
            index += 1;
        }
    }

    /// A text may have been meant to be a part of the topic.
    const fn push_parameter(&mut self, argument: &Argument) {
        if let (b"String", Some(name)) = (argument.text.as_bytes(), argument.name) {
            self.push(", or write `{");
            self.push(name);
            self.push("}` as a level of the filter");
        }
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qos::QoS;

    const REQUEST: Argument = Argument {
        name: Some("request"),
        text: "LlmRequest",
        takes_payload: true,
        event: Some(EventInfo {
            event_type: "llm.request",
            topic: "llm/request",
            qos: QoS::AtLeastOnce,
            retain: false,
        }),
    };
    const BYTES: Argument = Argument { text: "Bytes", ..TEXT };
    const CLIENT: Argument = Argument { text: "Client", takes_payload: false, ..TEXT };
    const TEXT: Argument =
        Argument { name: Some("room"), text: "String", takes_payload: true, event: None };

    /// The message of a check that fails.
    fn message(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
        *std::panic::catch_unwind(check).unwrap_err().downcast().unwrap()
    }

    #[test]
    fn one_argument_takes_the_payload() {
        check_payload(&[CLIENT, REQUEST], 1);
        check_payload(&[REQUEST, CLIENT], 1);
        assert_eq!(
            message(|| check_payload(&[REQUEST, CLIENT, BYTES], 2)),
            "two arguments take the payload: `LlmRequest` and `Bytes`; keep one"
        );
        assert_eq!(
            message(|| check_payload(&[TEXT, REQUEST], 1)),
            "two arguments take the payload: `String` and `LlmRequest`; keep one, \
             or write `{room}` as a level of the filter"
        );
    }

    #[test]
    fn an_event_comes_by_the_filter() {
        check_filter("llm/+", &[CLIENT, REQUEST]);
        check_filter("anything", &[BYTES]);
        assert_eq!(
            message(|| check_filter("llm/response", &[CLIENT, REQUEST])),
            "`llm/response` never receives `LlmRequest`, which is published on `llm/request`; \
             write #[subscribe(\"llm/request\")], or #[subscribe] to take the topic from the event"
        );
    }

    #[test]
    fn a_topic_without_a_filter_is_that_of_an_event() {
        check_topic(&[CLIENT, REQUEST]);
        let panic = std::panic::catch_unwind(|| check_topic(&[CLIENT, BYTES])).unwrap_err();
        assert!(panic.downcast_ref::<&str>().unwrap().contains("#[subscribe(\"topic\")]"));
        for topic in ["#", "+/#", "{all..}"] {
            let event = Some(EventInfo { topic, ..REQUEST.event.unwrap() });
            assert_eq!(
                message(|| check_topic(&[Argument { event, ..REQUEST }])),
                "`LlmRequest` has no topic of its own, and would be looked for in everything; \
                 write the topic: #[subscribe(\"topic\")]"
            );
        }
    }

    #[test]
    fn dead_letters_do_not_come_back() {
        check_dead_letter("dead/llm", &[CLIENT, REQUEST]);
        assert!(message(|| check_dead_letter("llm/request", &[REQUEST])).contains("come back"));
    }

    #[test]
    fn what_is_too_long_to_read_is_left_out() {
        let mut text = Text::new();
        text.push("a");
        text.push(&"b".repeat(1024));
        text.push("c");
        assert_eq!(text.as_str(), "ac");
    }
}
