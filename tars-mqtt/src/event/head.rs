use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::contract::Event;
use super::envelope::{read_data, utf8};
use super::scan::Scan;

/// An envelope whose data has not been read yet. Says where its parts stand in the payload.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    id: Part,
    event_type: Part,
    source: Part,
    ts: Timestamp,
    data: Range<usize>,
}

/// Why an event cannot be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is another one: the type that was found, and the one that was expected.
    Type(String, &'static str),
    /// The data does not make one: its type, and the reason.
    Data(&'static str, serde_json::Error),
    /// There is no envelope, after all.
    Envelope(serde_json::Error),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(found, expected) => {
                write!(f, "the event is of type `{found}`, and `{expected}` was expected")
            }
            Self::Data(event_type, error) => {
                write!(f, "the data is not a `{event_type}`: {error}")
            }
            Self::Envelope(error) => write!(f, "the payload is not an envelope: {error}"),
        }
    }
}

/// A text in a payload, or outside where it was written with escapes.
#[derive(Clone, Debug)]
enum Part {
    Inside(Range<usize>),
    Unescaped(Box<str>),
}

/// Few handlers ask for it, so it is read when one does.
#[derive(Clone, Debug)]
enum Timestamp {
    At(Range<usize>),
    Read(f64),
}

impl Part {
    fn of(text: Cow<'_, str>, payload: &[u8]) -> Self {
        match text {
            Cow::Borrowed(text) => Self::Inside(range(text.as_bytes(), payload)),
            Cow::Owned(text) => Self::Unescaped(text.into()),
        }
    }

    fn in_payload<'a>(&'a self, payload: &'a [u8]) -> &'a str {
        match self {
            Self::Inside(range) => std::str::from_utf8(&payload[range.clone()]).unwrap_or_default(),
            Self::Unescaped(text) => text,
        }
    }
}

/// Where a part that was borrowed from a payload stands in it.
fn range(part: &[u8], payload: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr() - payload.as_ptr().addr();
    start..start + part.len()
}

impl Head {
    /// Finds the parts of an envelope. Most are written plainly, with their data last; then what is
    /// in the data is not looked at, and reading it may fail.
    pub(crate) fn find(payload: &[u8]) -> Result<Self, serde_json::Error> {
        match Self::scan(payload) {
            Some(head) => Ok(head),
            None => Self::parse(payload),
        }
    }

    fn scan(payload: &[u8]) -> Option<Self> {
        let (mut id, mut event_type, mut source, mut ts) = (None, None, None, None);
        let mut scan = Scan::new(payload);
        scan.token(b'{')?;
        let data = loop {
            let key = scan.text()?;
            scan.token(b':')?;
            let key = &payload[key];
            let before = match key {
                b"id" => id.replace(scan.text()?).is_some(),
                b"type" => event_type.replace(scan.text()?).is_some(),
                b"source" => source.replace(scan.text()?).is_some(),
                b"ts" => ts.replace(scan.number()?).is_some(),
                b"data" => break scan.last_object()?,
                _ => return None,
            };
            if before {
                return None;
            }
            scan.token(b',')?;
        };
        std::str::from_utf8(&payload[..data.start]).ok()?;
        Some(Self {
            id: Part::Inside(id?),
            event_type: Part::Inside(event_type?),
            source: Part::Inside(source?),
            ts: Timestamp::At(ts?),
            data,
        })
    }

    /// Reads an envelope with exactly its five keys, whatever it looks like.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wire<'a> {
            #[serde(borrow)]
            id: Cow<'a, str>,
            #[serde(borrow)]
            r#type: Cow<'a, str>,
            ts: f64,
            #[serde(borrow)]
            source: Cow<'a, str>,
            #[serde(borrow)]
            data: &'a RawValue,
        }
        let wire: Wire<'_> = serde_json::from_str(utf8(payload)?)?;
        // A sequence of the five values is the same struct to serde.
        if payload.trim_ascii_start().first() != Some(&b'{') {
            return Err(serde::de::Error::custom("the envelope is not an object"));
        }
        let data = wire.data.get().as_bytes();
        if data.first() != Some(&b'{') {
            return Err(serde::de::Error::custom("`data` is not an object"));
        }
        Ok(Self {
            id: Part::of(wire.id, payload),
            event_type: Part::of(wire.r#type, payload),
            source: Part::of(wire.source, payload),
            ts: Timestamp::Read(wire.ts),
            data: range(data, payload),
        })
    }

    pub(crate) fn id<'a>(&'a self, payload: &'a [u8]) -> &'a str {
        self.id.in_payload(payload)
    }

    pub(crate) fn event_type<'a>(&'a self, payload: &'a [u8]) -> &'a str {
        self.event_type.in_payload(payload)
    }

    pub(crate) fn source<'a>(&'a self, payload: &'a [u8]) -> &'a str {
        self.source.in_payload(payload)
    }

    pub(crate) fn ts(&self, payload: &[u8]) -> f64 {
        match &self.ts {
            Timestamp::Read(ts) => *ts,
            // What was found to be a number is one.
            Timestamp::At(range) => {
                utf8(&payload[range.clone()]).and_then(serde_json::from_str).unwrap_or_default()
            }
        }
    }

    pub(crate) fn data<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        &payload[self.data.clone()]
    }

    /// Reads the data as an event.
    pub(crate) fn read<E>(&self, payload: &[u8]) -> Result<E, Unreadable>
    where
        E: Event + DeserializeOwned,
    {
        let found = self.event_type(payload);
        if found != E::TYPE {
            return Err(Unreadable::Type(found.to_owned(), E::TYPE));
        }
        // Where the data cannot be read, the envelope may be at fault.
        read_data(self.data(payload)).map_err(|unreadable| match Self::parse(payload) {
            Ok(_) => unreadable,
            Err(error) => Unreadable::Envelope(error),
        })
    }

    /// The whole number in `data.seq`, if there is one.
    pub(crate) fn seq(&self, payload: &[u8]) -> Option<i128> {
        #[derive(Deserialize)]
        struct Sequenced<'a> {
            #[serde(borrow)]
            seq: &'a RawValue,
        }
        let data = self.data(payload);
        // Most events have no such field, and looking is cheaper than parsing. The rarest of its
        // letters is looked for.
        let is_key = |q: usize| data[..q].ends_with(b"\"se") && data[q + 1..].starts_with(b"\"");
        memchr::memchr_iter(b'q', data).find(|&q| is_key(q))?;
        let Sequenced { seq } = serde_json::from_str(utf8(data).ok()?).ok()?;
        seq.get().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &str =
        r#"{"id":"1","type":"a.b","ts":1.5,"source":"s","data":{"seq":7,"x":"\"seq\""}}"#;

    #[test]
    fn the_parts_of_an_envelope_are_found_in_its_payload() {
        let payload = ENVELOPE.as_bytes();
        let head = Head::parse(payload).unwrap();
        assert_eq!(
            (head.id(payload), head.event_type(payload), head.source(payload)),
            ("1", "a.b", "s")
        );
        assert_eq!(head.data(payload), br#"{"seq":7,"x":"\"seq\""}"#);
        assert_eq!(head.seq(payload), Some(7));
    }

    #[test]
    fn escapes_in_the_head_are_undone() {
        let payload = br#"{"data":{},"source":"\u00e4","ts":1,"type":"a\\b","id":"\""}"#;
        let head = Head::parse(payload).unwrap();
        assert_eq!(
            (head.id(payload), head.event_type(payload), head.source(payload)),
            ("\"", "a\\b", "ä")
        );
        assert_eq!(head.seq(payload), None);
    }

    #[test]
    fn only_a_whole_number_is_a_sequence_number() {
        for (data, seq) in [
            (r#"{"seq":-3}"#, Some(-3)),
            (r#"{"seq":18446744073709551615}"#, Some(18_446_744_073_709_551_615)),
            (r#"{"seq":18446744073709551616}"#, Some(18_446_744_073_709_551_616)),
            (r#"{"seq":1.5}"#, None),
            (r#"{"seq":null}"#, None),
            (r#"{"seq":"1"}"#, None),
            (r#"{"other":{"seq":1}}"#, None),
        ] {
            let payload = ENVELOPE.replace(r#"{"seq":7,"x":"\"seq\""}"#, data);
            let head = Head::parse(payload.as_bytes()).unwrap();
            assert_eq!(head.seq(payload.as_bytes()), seq, "{data}");
        }
    }

    #[test]
    fn anything_but_five_keys_and_an_object_is_refused() {
        for payload in [
            "",
            "null",
            "hello",
            "[]",
            r#"["1","a",1,"s",{}]"#,
            r#" ["1","a",1,"s",{}]"#,
            r#"{"id":"1","type":"a","ts":1,"source":"s"}"#,
            r#"{"id":"1","ts":1,"source":"s","data":{}}"#,
            r#"{"id":"1","type":"a","ts":"1","source":"s","data":{}}"#,
            r#"{"id":"1","type":"a","ts":1,"source":"s","data":[]}"#,
            r#"{"id":"1","type":"a","ts":1,"source":"s","data":{},"x":1}"#,
            r#"{"id":"1","type":"a","ts":1,"source":"s","data":{}"#,
            r#"{"id":"1","type":"a","ts":1,"source":"s","data":{}} x"#,
        ] {
            assert!(Head::parse(payload.as_bytes()).is_err(), "{payload}");
        }
        assert!(Head::parse(&vec![b'['; 1 << 20]).is_err());
    }
}
