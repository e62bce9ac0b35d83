//! What is sent.

use serde::{Deserialize, Serialize};
use tars_mqtt::Event;

/// What is sent back and forth: in its envelope, 205 bytes.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event("bench.reading", topic = "bench/reading", qos = 0)]
pub struct Reading {
    /// Who measured.
    pub sensor: String,
    /// What it was about.
    pub text: String,
    /// How many came before.
    pub number: u64,
    /// What was measured.
    pub value: f64,
    /// Whether it can be trusted.
    pub ok: bool,
}

impl Reading {
    /// One that is as long as all others.
    #[must_use]
    pub fn sample() -> Self {
        Self {
            sensor: "kitchen-3".to_owned(),
            text: "a sentence about as long as what people say.".to_owned(),
            number: 123_456,
            value: 21.5,
            ok: true,
        }
    }
}

/// What is asked for an answer.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event("bench.request", topic = "bench/request")]
pub struct Request {
    /// What to add to.
    pub number: u64,
}

/// The answer.
#[derive(Debug, Serialize, Deserialize, Event)]
#[event("bench.response", topic = "bench/response")]
pub struct Response {
    /// The sum.
    pub number: u64,
}

/// An envelope, as one writes it by hand.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Correlation id.
    pub id: String,
    /// Event type.
    pub r#type: String,
    /// When it was sent.
    pub ts: f64,
    /// Who sent it.
    pub source: String,
    /// The event.
    pub data: T,
}

impl<T> Envelope<T> {
    /// An envelope with these parts.
    pub fn new(id: String, event_type: &str, data: T) -> Self {
        let ts = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
        Self { id, r#type: event_type.to_owned(), ts, source: "bench".to_owned(), data }
    }
}

/// Where in [`envelope`] the sixteen digits stand that make its id.
pub const ID_AT: usize = r#"{"id":""#.len();

/// A payload that can be given another id in place.
#[must_use]
pub fn envelope<T: Event + Serialize>(data: &T) -> Vec<u8> {
    let data = serde_json::to_string(data).unwrap_or_default();
    let event_type = T::TYPE;
    format!(
        r#"{{"id":"{:016x}","type":"{event_type}","ts":1795551775.9,"source":"load","data":{data}}}"#,
        0
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_205_bytes_and_its_id_where_it_is_said_to_be() {
        let payload = envelope(&Reading::sample());
        assert_eq!(payload.len(), 205);
        assert_eq!(&payload[ID_AT..ID_AT + 16], b"0000000000000000");
    }
}
