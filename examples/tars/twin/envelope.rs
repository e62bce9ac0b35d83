//! What messages look like: five keys around the data.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A message with its envelope, the data not yet looked at.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) event_type: String,
    ts: f64,
    source: String,
    data: Box<RawValue>,
}

impl Envelope {
    /// Puts an event into an envelope.
    pub(crate) fn seal(
        event_type: &str,
        id: &str,
        source: &str,
        event: &impl Serialize,
    ) -> anyhow::Result<Vec<u8>> {
        Ok(serde_json::to_vec(&Self {
            id: id.to_owned(),
            event_type: event_type.to_owned(),
            ts: now(),
            source: source.to_owned(),
            data: serde_json::value::to_raw_value(event)?,
        })?)
    }

    /// Takes a payload for an envelope; or if that is allowed and it is none, for bare data.
    pub(crate) fn open(
        payload: &[u8],
        event_type: &str,
        accept_bare: bool,
    ) -> anyhow::Result<Self> {
        match serde_json::from_slice::<Self>(payload) {
            Ok(envelope) => {
                let found = &envelope.event_type;
                ensure!(found == event_type, "the type is {found:?}, and must be {event_type:?}");
                Ok(envelope)
            }
            Err(_) if accept_bare => Ok(Self {
                id: fresh_id(),
                event_type: event_type.to_owned(),
                ts: now(),
                source: String::new(),
                data: serde_json::from_slice(payload).context("the payload is no JSON")?,
            }),
            Err(error) => Err(error).context("the payload is no envelope"),
        }
    }

    /// The event inside; fields that it does not have are refused.
    pub(crate) fn event<T: DeserializeOwned + Serialize>(&self) -> anyhow::Result<T> {
        let event: T = serde_json::from_str(self.data.get())?;
        let given: Map<String, Value> = serde_json::from_str(self.data.get())?;
        if let Value::Object(known) = serde_json::to_value(&event)? {
            let unknown = given.keys().find(|key| !known.contains_key(*key));
            ensure!(unknown.is_none(), "unknown field `{}`", unknown.map_or("", |key| key));
        }
        Ok(event)
    }

    /// What two copies of a message have in common: type, id, and `seq` or all of the data.
    pub(crate) fn key(&self) -> String {
        let seq = serde_json::from_str::<Value>(self.data.get()).ok();
        let seq = seq.and_then(|data| data.get("seq")?.as_i64());
        let rest = seq.map_or_else(
            || {
                let mut hasher = DefaultHasher::new();
                self.data.get().hash(&mut hasher);
                format!("{:x}", hasher.finish())
            },
            |seq| format!("seq={seq}"),
        );
        format!("{}|{}|{rest}", self.event_type, self.id)
    }
}

pub(crate) fn fresh_id() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Seconds since the Unix epoch.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
