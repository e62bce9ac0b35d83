//! Envelopes that are real, and those that nearly are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use fastrand::Rng;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Head;
use crate::fuzz::{ENVELOPES, Target, fuzz, mutate, once_in, pick, target};

/// Keys and values as they are written.
type Fields = Vec<(String, String)>;

static REAL: LazyLock<Vec<Fields>> = LazyLock::new(|| {
    let payloads = ENVELOPES.lines().map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let payload = line["payload"].as_str().expect("it has a payload");
        let fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(payload).expect("it is an object");
        let written =
            |(key, value): (String, Box<RawValue>)| (format!("\"{key}\""), value.get().to_owned());
        fields.into_iter().map(written).collect()
    });
    payloads.collect()
});

/// The keys of an object, also those that stand there twice.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

#[test]
fn the_parts_of_an_envelope_are_those_that_serde_json_finds() {
    let shares = [("accepted", 20), ("refused", 20), ("data unread", 1), ("sequenced", 1)];
    fuzz("envelopes", 8_000, &shares, |rng| {
        let payload = envelope(rng);
        check(&payload)
    });
}

pub(crate) const TARGET: Target = {
    let check = |payload: &[u8]| {
        check(payload);
    };
    target!("envelopes", envelope, check)
};

#[test]
fn corpus_of_envelopes() {
    TARGET.run();
}

fn check(payload: &[u8]) -> &'static str {
    let shown = || String::from_utf8_lossy(payload);
    check_found(payload);
    let whole: Result<Value, _> = serde_json::from_slice(payload);
    let Ok(head) = Head::parse(payload) else {
        let refused = whole.is_err() || !is_envelope(payload, &whole.unwrap_or_default());
        assert!(refused, "{}", shown());
        return "refused";
    };
    let data = head.data(payload);
    let read: Result<Value, _> = serde_json::from_slice(data);
    let whole = match (&whole, &read) {
        (Ok(whole), Ok(read)) => {
            assert_eq!(whole["data"], *read, "{}", shown());
            whole.clone()
        }
        // What is in the data is only looked at when the data is read, and then it may be as deep
        // as the whole.
        (Err(error), read) => {
            let deep = error.to_string().starts_with("recursion limit");
            assert!(read.is_err() || deep, "{error}: {}", shown());
            let start = data.as_ptr().addr() - payload.as_ptr().addr();
            let mut emptied = payload.to_vec();
            emptied.splice(start..start + data.len(), *b"{}");
            serde_json::from_slice(&emptied).unwrap_or_else(|e| panic!("{e}: {}", shown()))
        }
        (Ok(_), Err(error)) => panic!("the data is cut out wrongly, {error}: {}", shown()),
    };
    assert!(is_envelope(payload, &whole), "{}", shown());
    let texts = [head.id(payload), head.event_type(payload), head.source(payload)];
    assert_eq!(texts.map(Some), ["id", "type", "source"].map(|key| whole[key].as_str()));
    assert_eq!(
        whole["ts"].as_f64().map(f64::to_bits),
        Some(head.ts(payload).to_bits()),
        "{}",
        shown()
    );
    let seq = head.seq(payload);
    if read.is_err() {
        return "data unread";
    }
    let keys = serde_json::from_slice::<Keys>(data).map_or(Vec::new(), |keys| keys.0);
    let written = data.windows(5).any(|window| window == b"\"seq\"");
    if written && keys.iter().filter(|key| *key == "seq").count() < 2 {
        let found = &whole["data"]["seq"];
        match found.as_i64().map(i128::from).or(found.as_u64().map(i128::from)) {
            Some(expected) => assert_eq!(seq, Some(expected), "{}", shown()),
            // Whole numbers beyond 64 bits are floats to the parser.
            None if found.is_f64() => {}
            None => assert_eq!(seq, None, "{}", shown()),
        }
    }
    if seq.is_some() { "sequenced" } else { "accepted" }
}

/// What is found without looking at the data is what is there once the data can be read.
fn check_found(payload: &[u8]) {
    let shown = || String::from_utf8_lossy(payload);
    match (Head::find(payload), Head::parse(payload)) {
        (Ok(found), Ok(parsed)) => {
            let parts = |head: &Head| {
                [head.id(payload), head.event_type(payload), head.source(payload)]
                    .map(str::to_owned)
            };
            assert_eq!(parts(&found), parts(&parsed), "{}", shown());
            assert_eq!(found.data(payload), parsed.data(payload), "{}", shown());
            let ts = [found.ts(payload), parsed.ts(payload)].map(f64::to_bits);
            assert_eq!(ts[0], ts[1], "{}", shown());
        }
        (Ok(found), Err(_)) => {
            let read = serde_json::from_slice::<Value>(found.data(payload));
            assert!(read.is_err(), "{}", shown());
        }
        (Err(_), parsed) => assert!(parsed.is_err(), "{}", shown()),
    }
}

fn is_envelope(payload: &[u8], whole: &Value) -> bool {
    let Ok(Keys(mut keys)) = serde_json::from_slice(payload) else { return false };
    keys.sort();
    let texts = ["id", "type", "source"].iter().all(|key| whole[*key].is_string());
    keys == ["data", "id", "source", "ts", "type"]
        && texts
        && whole["ts"].is_number()
        && whole["data"].is_object()
}

const VALUES: [&str; 28] = [
    "01",
    "-01.5",
    "1.",
    "\"a\u{1f}b\"",
    "null",
    "true",
    "1",
    "0",
    "-0",
    "1e999",
    "1.5",
    "-7",
    "18446744073709551615",
    "1e30",
    "123456789012345678901234567890",
    r#""x""#,
    r#""\ud800""#,
    r#""\u00e4\n""#,
    r#""\u0000""#,
    r#""""#,
    "[]",
    "{}",
    r#"{"seq":7}"#,
    r#"{"seq":-3,"x":[1,{"seq":2}]}"#,
    r#"{"seq":1.5}"#,
    r#"{"x":1e999,"seq":18446744073709551615}"#,
    r#"{"s":"\ud800"}"#,
    r#"{"seq":1,"seq":2}"#,
];
const KEYS: [&str; 10] = [
    r#""id""#,
    r#""type""#,
    r#""ts""#,
    r#""source""#,
    r#""data""#,
    r#""seq""#,
    r#""\u0069d""#,
    r#""""#,
    r#""Data""#,
    r#""t\u0079pe""#,
];

fn envelope(rng: &mut Rng) -> Vec<u8> {
    let mut fields = REAL[rng.usize(..REAL.len())].clone();
    rng.shuffle(&mut fields);
    for _ in 0..pick(rng, &[0, 0, 0, 1, 1, 2]) {
        change(rng, &mut fields);
    }
    if once_in(rng, 3) {
        let objects = &VALUES[21..];
        let data = pick(rng, objects);
        fields
            .iter_mut()
            .filter(|(key, _)| key == "\"data\"")
            .for_each(|(_, value)| data.clone_into(value));
    }
    let mut payload = written(rng, &fields).into_bytes();
    if once_in(rng, 4) {
        for _ in 0..rng.usize(1..4) {
            mutate(rng, &mut payload, b"{}[]\",:\\ \n0e-.u\xff\x00");
        }
    }
    payload
}

fn change(rng: &mut Rng, fields: &mut Fields) {
    let at = rng.usize(..fields.len().max(1));
    let Some((key, value)) = fields.get_mut(at) else { return };
    match rng.u8(..8) {
        0 => drop(fields.remove(at)),
        1 => {
            let again = fields[at].clone();
            fields.push(again);
        }
        2 => fields.push((pick(rng, &KEYS).to_owned(), pick(rng, &VALUES).to_owned())),
        3 => pick(rng, &KEYS).clone_into(key),
        4 => {
            let first = key.chars().nth(1).unwrap_or('"');
            if first.is_ascii_lowercase() {
                *key = format!("\"\\u{:04x}{}", u32::from(first), &key[2..]);
            }
        }
        5 if once_in(rng, 8) => {
            let depth = pick(rng, &[100, 126, 127, 128, 200, 5_000]);
            *value = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        }
        _ => pick(rng, &VALUES).clone_into(value),
    }
}

fn written(rng: &mut Rng, fields: &Fields) -> String {
    // A sequence of the five values is what serde would take for a struct, too.
    let as_sequence = once_in(rng, 12);
    let blank = pick(rng, &["", "", " ", "\n\t"]);
    let order = ["\"id\"", "\"type\"", "\"ts\"", "\"source\"", "\"data\""];
    let mut parts: Vec<(usize, String)> = Vec::new();
    for (key, value) in fields {
        let place = order.iter().position(|known| known == key).unwrap_or(order.len());
        parts.push(if as_sequence {
            (place, value.clone())
        } else {
            (0, format!("{key}{blank}:{value}{blank}"))
        });
    }
    parts.sort_by_key(|(place, _)| *place);
    let parts: Vec<String> = parts.into_iter().map(|(_, part)| part).collect();
    let (open, close) = if as_sequence { ('[', ']') } else { ('{', '}') };
    format!("{blank}{open}{blank}{}{close}{blank}", parts.join(","))
}
