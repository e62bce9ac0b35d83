use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::contract::Event;
use super::finite::Finite;
use super::head::{Head, Unreadable};
use super::id::fresh_id;
use super::strict::{Field, Strict};
use crate::error::{Error, Result};
use crate::log::quoted;

/// An event and what it travels with.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope<E> {
    /// Correlation id: new when the event starts a conversation, that of the message it answers
    /// when it is a reply.
    pub id: String,
    /// Event type, dotted: `llm.request`.
    pub event_type: String,
    /// When it was sent, in seconds since the Unix epoch, with fraction.
    pub ts: f64,
    /// Name of the service that sent it.
    pub source: String,
    /// The event itself.
    pub data: E,
}

/// The time now, as envelopes carry it.
pub(crate) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// The time now, and another one than before: events that are sent with the same id, topic and data
/// are different ones, and this is what tells them apart. A redelivery has the time of the first.
fn stamp() -> f64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now();
    let mut stamp = now;
    // Only differs, and publishes nothing: so no order is needed.
    let _ = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        stamp = after(f64::from_bits(last), now);
        Some(stamp.to_bits())
    });
    stamp
}

/// The time, or if the last one is hardly before it, the next one after that. A clock that was set
/// back is taken as it is.
fn after(last: f64, now: f64) -> f64 {
    if last >= now && last - now < 1.0 { last.next_up() } else { now }
}

/// Writes an event as it goes over the wire.
pub(crate) fn encode<E: Event + Serialize>(event: &E, id: &str, source: &str) -> Result<Bytes> {
    let mut json = Vec::with_capacity(256);
    if !E::BARE {
        begin(&mut json, E::TYPE, id, source)?;
    }
    let data = json.len();
    let mut serializer = serde_json::Serializer::new(&mut json);
    event.serialize(Finite::new(&mut serializer)).map_err(|error| refusal(E::TYPE, &error))?;
    if !E::BARE {
        end(&mut json, E::TYPE, data)?;
    }
    Ok(json.into())
}

/// The envelope up to its data.
fn begin(json: &mut Vec<u8>, event_type: &'static str, id: &str, source: &str) -> Result<()> {
    #[derive(Serialize)]
    struct Start<'a> {
        id: &'a str,
        r#type: &'a str,
        ts: f64,
        source: &'a str,
    }
    let start = Start { id, r#type: event_type, ts: stamp(), source };
    serde_json::to_writer(&mut *json, &start).map_err(|error| refusal(event_type, &error))?;
    json.pop();
    json.extend_from_slice(br#","data":"#);
    Ok(())
}

/// The envelope after its data, which begins at `data`.
fn end(json: &mut Vec<u8>, event_type: &'static str, data: usize) -> Result<()> {
    if json.get(data) != Some(&b'{') {
        let found = String::from_utf8_lossy(&json[data..]);
        let found = quoted(&found);
        let reason = format!(
            "an envelope carries a JSON object, and this is {found}; give the type named fields, \
             or write #[event(bare)]"
        );
        return Err(Error::Encode { event_type, reason });
    }
    json.push(b'}');
    Ok(())
}

#[cold]
fn refusal(event_type: &'static str, error: &serde_json::Error) -> Error {
    Error::Encode { event_type, reason: error.to_string() }
}

/// Reads an event as it comes over the wire.
pub(crate) fn read<E: Event + DeserializeOwned>(payload: &[u8]) -> Result<Envelope<E>, Unreadable> {
    if E::BARE {
        let data = read_data(payload)?;
        let (event_type, source) = (E::TYPE.to_owned(), String::new());
        return Ok(Envelope { id: fresh_id(), event_type, ts: now(), source, data });
    }
    let head = Head::find(payload).map_err(Unreadable::Envelope)?;
    Ok(Envelope {
        data: head.read(payload)?,
        id: head.id(payload).to_owned(),
        event_type: head.event_type(payload).to_owned(),
        ts: head.ts(payload),
        source: head.source(payload).to_owned(),
    })
}

/// Reads the data of an event, and refuses fields that it does not have.
pub(crate) fn read_data<E: Event + DeserializeOwned>(json: &[u8]) -> Result<E, Unreadable> {
    read_strict(json, E::WRITTEN_ALONE).map_err(|error| Unreadable::Data(E::TYPE, error))
}

/// As [`read_data`], for any type. `skipped` are fields that it has and does not read.
pub(super) fn read_strict<T: DeserializeOwned>(
    json: &[u8],
    skipped: &'static [&'static str],
) -> Result<T, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(utf8(json)?);
    let data = T::deserialize(Strict::new(&mut deserializer, &Field::root(skipped)))?;
    deserializer.end()?;
    Ok(data)
}

/// JSON as the text that it is (RFC 8259, section 8.1).
///
/// Checked as a whole, it need not be checked text by text; and reading all JSON from texts, and
/// none from bytes, compiles each event once and not twice.
pub(crate) fn utf8(json: &[u8]) -> Result<&str, serde_json::Error> {
    std::str::from_utf8(json).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_events_are_sent_with_the_same_time() {
        let stamps: Vec<u64> = (0..10_000).map(|_| stamp().to_bits()).collect();
        assert!(stamps.windows(2).all(|pair| pair[0] != pair[1]));
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..10_000).map(|_| stamp().to_bits()).collect()))
            .collect();
        let mut all: Vec<u64> = Vec::new();
        for thread in threads {
            let stamps: Vec<u64> = thread.join().unwrap();
            all.extend(stamps);
        }
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_clock_that_was_set_back_is_believed() {
        let last = 1_754_300_000.25;
        let bits = f64::to_bits;
        assert_eq!(bits(after(last, last + 0.5)), bits(last + 0.5));
        assert!(after(last, last) > last && after(last, last) < last + 0.001);
        assert!(after(last, last - 0.5) > last);
        assert_eq!(bits(after(last, last - 3600.0)), bits(last - 3600.0));
    }
}
