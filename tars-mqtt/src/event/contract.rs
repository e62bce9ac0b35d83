use std::borrow::Cow;
use std::fmt;

use tars_mqtt_topic::is_unwanted;

use crate::error::{Error, Result};
use crate::qos::QoS;

/// A kind of message that services agree on: its type, where it is published, and how.
///
/// Derived for a struct or an enum that serde can serialize. All parts of `#[event]` are optional:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use tars_mqtt::prelude::*;
///
/// #[derive(Serialize, Deserialize, Event)]
/// struct LlmRequest {
///     text: String,
/// }
/// assert_eq!(LlmRequest::TYPE, "llm.request");
/// assert_eq!(LlmRequest::TOPIC, "llm/request");
/// assert_eq!((LlmRequest::QOS, LlmRequest::RETAIN), (QoS::AtLeastOnce, false));
///
/// #[derive(Serialize, Deserialize, Event)]
/// #[event("temperature", topic = "sensors/{room}/temperature", qos = 0, retain)]
/// struct Temperature {
///     room: String,
///     celsius: f64,
/// }
/// let reading = Temperature { room: "kitchen".into(), celsius: 20.5 };
/// assert_eq!(reading.topic()?, "sensors/kitchen/temperature");
/// # Ok::<(), tars_mqtt::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "not an event",
    note = "write #[derive(serde::Serialize, serde::Deserialize, tars_mqtt::Event)] above `{Self}`"
)]
pub trait Event {
    /// The event type in the envelope, dotted: `llm.request`.
    const TYPE: &'static str;

    /// The topic it is published on. A level `{field}` is filled from the field of that name.
    const TOPIC: &'static str;

    /// The quality of service it is published with. QoS 1 unless stated.
    const QOS: QoS = QoS::AtLeastOnce;

    /// Whether the broker keeps the last one for later subscribers (section 3.3.1.3). No unless
    /// stated.
    const RETAIN: bool = false;

    /// Whether it travels without an envelope. No unless stated.
    const BARE: bool = false;

    /// Fields that are written and not read (`#[serde(skip_deserializing)]`), as they are written:
    /// passed over when they come back. Found by the derive.
    #[doc(hidden)]
    const WRITTEN_ALONE: &'static [&'static str] = &[];

    /// The topic of this one, with its fields filled in.
    ///
    /// # Errors
    ///
    /// [`Error::TopicField`] when a field contains `/`, `+`, `#`, a control character or a
    /// non-character, or when one for the first level is empty or begins with `$`.
    fn topic(&self) -> Result<Cow<'static, str>> {
        Ok(Cow::Borrowed(Self::TOPIC))
    }
}

/// Fills a topic from an event's fields: what `#[derive(Event)]` writes into [`Event::topic`].
#[doc(hidden)]
#[derive(Debug)]
pub struct TopicField<'a> {
    /// The field's name.
    pub name: &'static str,
    /// Its value.
    pub value: &'a dyn DisplayDebug,
}

/// Whether a text can be a level of a topic. It may be somebody else's: it must lead neither to other
/// topics nor to what is the broker's, and a broker must not close the connection over it.
fn can_fill(index: usize, value: &str) -> bool {
    let is_root = index == 0 && (value.is_empty() || value.starts_with('$'));
    !is_root && !value.contains(|c| matches!(c, '/' | '+' | '#') || is_unwanted(c))
}

/// A value that can stand in a topic.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot fill a level of a topic",
    label = "cannot be displayed",
    note = "implement std::fmt::Display for it, or take another field"
)]
pub trait DisplayDebug: fmt::Display {}
#[diagnostic::do_not_recommend]
impl<T: fmt::Display + ?Sized> DisplayDebug for T {}

impl fmt::Debug for dyn DisplayDebug + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TopicField<'_> {
    /// Replaces each `{field}` in a topic.
    pub fn fill(topic: &'static str, fields: &[TopicField<'_>]) -> Result<Cow<'static, str>> {
        let mut filled = String::with_capacity(topic.len() + 16);
        for (index, level) in topic.split('/').enumerate() {
            if index > 0 {
                filled.push('/');
            }
            let name = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            match name.and_then(|name| fields.iter().find(|field| field.name == name)) {
                None => filled.push_str(level),
                Some(field) => {
                    let value = field.value.to_string();
                    if !can_fill(index, &value) {
                        return Err(Error::TopicField { topic, field: field.name, value });
                    }
                    filled.push_str(&value);
                }
            }
        }
        Ok(Cow::Owned(filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(topic: &'static str, value: &str) -> Result<Cow<'static, str>> {
        TopicField::fill(topic, &[TopicField { name: "field", value: &value }])
    }

    #[test]
    fn a_field_fills_its_level_and_nothing_else() {
        for value in ["kitchen", "Küche ☃", "{x}", "a b", "..", "$x", ""] {
            assert_eq!(fill("rooms/{field}/state", value).unwrap(), format!("rooms/{value}/state"));
        }
        for value in [
            "a/b",
            "+",
            "#",
            "\0",
            "kitchen\n",
            "\u{7f}",
            "\u{85}",
            "\u{fdd0}",
            "\u{1fffe}",
            "\u{ffff}",
        ] {
            let error = fill("rooms/{field}/state", value).unwrap_err();
            assert!(matches!(error, Error::TopicField { field: "field", .. }), "{value:?}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_field_for_the_first_level_is_neither_empty_nor_the_brokers() {
        assert_eq!(fill("{field}/out", "kitchen").unwrap(), "kitchen/out");
        for value in ["", "$SYS", "$share", "$"] {
            assert!(fill("{field}/out", value).is_err(), "{value}");
        }
    }
}
