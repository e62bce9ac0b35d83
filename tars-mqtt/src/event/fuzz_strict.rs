//! What is refused as unknown is what serde itself refuses when it is told to.

use fastrand::Rng;

use super::envelope::read_strict;
use crate::fuzz::{Target, fuzz, mutate, once_in, pick, target};

/// The same types with and without serde's own refusal.
macro_rules! types {
    ($module:ident $(, $deny:meta)?) => {
        mod $module {
            use std::collections::{BTreeMap, HashMap};

            use serde::{Deserialize, Serialize};
            use serde_json::Value;
            use serde_json::value::RawValue;

            #[derive(Debug, Deserialize, Serialize)]
            $(#[$deny])?
            pub(super) struct Outer {
                name: String,
                #[serde(default)]
                inner: Vec<Inner>,
                #[serde(default)]
                choice: Option<Choice>,
                #[serde(default)]
                counts: BTreeMap<u32, Inner>,
                #[serde(default)]
                kinds: HashMap<Kind, Wrapped>,
                #[serde(default)]
                free: Value,
                raw: Option<Box<RawValue>>,
                next: Option<Box<Outer>>,
                #[serde(rename = "type", alias = "kind")]
                renamed: Option<(u8, f64, char)>,
                big: Option<i128>,
                unit: Option<()>,
                #[serde(skip)]
                _skipped: u8,
            }

            #[derive(Debug, Deserialize, Serialize)]
            $(#[$deny])?
            struct Inner {
                x: i32,
                y: Option<bool>,
            }

            #[derive(Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
            #[serde(rename_all = "snake_case")]
            enum Kind {
                One,
                Two,
            }

            #[derive(Debug, Deserialize, Serialize)]
            struct Wrapped(Inner);

            #[derive(Debug, Deserialize, Serialize)]
            $(#[$deny])?
            enum Choice {
                Unit,
                Struct { a: bool, inner: Option<Inner> },
                New(Inner),
                Tuple(u8, Inner),
            }
        }
    };
}

types!(plain);
types!(denying, serde(deny_unknown_fields));

#[test]
fn unknown_fields_are_refused_as_serde_does_when_told_to() {
    let shares = [("accepted", 20), ("unknown field", 10), ("refused", 5)];
    fuzz("strict data", 8_000, &shares, |rng| check(&json(rng)));
}

pub(crate) const TARGET: Target = {
    let check = |json: &[u8]| {
        check(json);
    };
    target!("strict", json, check)
};

#[test]
fn corpus_of_strict_data() {
    TARGET.run();
}

fn json(rng: &mut Rng) -> Vec<u8> {
    let mut json = outer(rng, 2).into_bytes();
    if once_in(rng, 4) {
        for _ in 0..rng.usize(1..3) {
            mutate(rng, &mut json, b"{}[]\",:\\ 0e-.u\xff\x00");
        }
    }
    json
}

fn check(json: &[u8]) -> &'static str {
    let shown = String::from_utf8_lossy(json);
    let ours = read_strict::<plain::Outer>(json, &[]);
    let theirs: Result<denying::Outer, _> = serde_json::from_slice(json);
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) => {
            // The order of a map in memory is its own.
            let same = |value: serde_json::Result<serde_json::Value>| value.ok();
            let values = (serde_json::to_value(&ours), serde_json::to_value(&theirs));
            assert_eq!(same(values.0), same(values.1), "{shown}");
            "accepted"
        }
        (Err(ours), Err(theirs)) => {
            let ours = ours.to_string();
            let Some(rest) = ours.strip_prefix("unknown field `") else { return "refused" };
            // The name may look like what follows it.
            let name = rest.rsplit_once("` at line").map_or(rest, |(name, _)| name);
            let expected = format!("unknown field `{name}`, ");
            let theirs = theirs.to_string();
            assert!(theirs.starts_with(&expected), "{ours}, {theirs}: {shown}");
            "unknown field"
        }
        (ours, theirs) => panic!("{:?}, {:?}: {shown}", ours.err(), theirs.err()),
    }
}

fn object(rng: &mut Rng, mut fields: Vec<String>) -> String {
    if once_in(rng, 12) {
        let key =
            pick(rng, &["bogus", "Name", "x", "y", "name", "", "b\\u006fgus", "_skipped", "ü`"]);
        let value = pick(rng, &["1", "null", "{}", "[{\"a\":[]}]", "\"\\n\""]);
        fields.push(format!("\"{key}\":{value}"));
    }
    rng.shuffle(&mut fields);
    let blank = pick(rng, &["", "", " "]);
    format!("{{{blank}{}{blank}}}", fields.join(","))
}

fn inner(rng: &mut Rng) -> String {
    let mut fields = vec![format!("\"x\":{}", rng.i32(-5..5))];
    if rng.bool() {
        fields.push(format!("\"y\":{}", pick(rng, &["true", "null", "false"])));
    }
    if once_in(rng, 12) {
        return pick(rng, &["[1,true]", "[1]", "[]", "null", "{}", "[1,null,3]"]).to_owned();
    }
    object(rng, fields)
}

fn choice(rng: &mut Rng) -> String {
    match rng.u8(..6) {
        0 => "\"Unit\"".to_owned(),
        1 => {
            let fields = vec!["\"a\":true".to_owned(), format!("\"inner\":{}", inner(rng))];
            format!("{{\"Struct\":{}}}", object(rng, fields))
        }
        2 => format!("{{\"New\":{}}}", inner(rng)),
        3 => format!("{{\"Tuple\":[{},{}]}}", rng.u8(..), inner(rng)),
        4 => pick(rng, &["null", "{\"Unit\":null}", "{\"Unit\":{}}", "\"New\"", "{}"]).to_owned(),
        _ => {
            let fields = vec![format!("\"New\":{}", inner(rng))];
            object(rng, fields)
        }
    }
}

fn outer(rng: &mut Rng, depth: u8) -> String {
    let mut fields = vec![r#""name":"n\n""#.to_owned()];
    for _ in 0..rng.usize(..4) {
        let field = match rng.u8(..10) {
            0 => format!("\"inner\":[{},{}]", inner(rng), inner(rng)),
            1 => format!("\"choice\":{}", choice(rng)),
            2 => format!("\"counts\":{{\"7\":{},\"8\":{}}}", inner(rng), inner(rng)),
            3 => format!("\"kinds\":{{\"one\":{},\"two\":{}}}", inner(rng), inner(rng)),
            4 => {
                format!("\"free\":{}", pick(rng, &["{\"any\":[1,{\"b\":{}}]}", "7", "\"\\u00e4\""]))
            }
            5 => {
                format!("\"raw\":{}", pick(rng, &["{ \"any\" : [1] }", "null", "1e5", "\"\\\"\""]))
            }
            6 if depth > 0 => format!("\"next\":{}", outer(rng, depth - 1)),
            7 => {
                let key = pick(rng, &["type", "kind", "renamed"]);
                format!(
                    "\"{key}\":{}",
                    pick(rng, &["[1,2.5,\"ü\"]", "null", "[1]", "[1,2,\"ab\"]"])
                )
            }
            8 => format!(
                "\"big\":{}",
                pick(rng, &["1", "-9", "170141183460469231731687303715884105727"])
            ),
            _ => format!("\"unit\":{}", pick(rng, &["null", "{}", "[]"])),
        };
        fields.push(field);
    }
    object(rng, fields)
}
