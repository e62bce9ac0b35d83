//! Section 4.7 of MQTT 3.1.1 written a second time, with nothing in common with the crate it is
//! compared to: slices of levels and recursion, and questions about all topics answered by trying
//! topics.

use fastrand::Rng;

use super::{once_in, pick};

pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let filter: Vec<&str> = filter.split('/').collect();
    let topic: Vec<&str> = topic.split('/').collect();
    let wild = matches!(filter[0], "+" | "#");
    !(wild && topic[0].starts_with('$')) && levels_match(&filter, &topic)
}

fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([wanted, filter @ ..], [found, topic @ ..]) => {
            wanted == found && levels_match(filter, topic)
        }
        _ => false,
    }
}

/// Topics that tell two filters apart wherever any topic does: at each level what either filter has
/// there or something else, and one level more than the longer one.
///
/// The empty topic is among them. It is not for a message, and counting it keeps `/#` like `a/#`.
pub(super) fn witnesses(left: &str, right: &str) -> Vec<String> {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (left.split('/').collect(), right.split('/').collect());
    let mut all: Vec<String> = Vec::new();
    let mut longest = vec![String::new()];
    for level in 0..=left.len().max(right.len()) {
        // In no filter, so that it is something else everywhere.
        let mut texts = vec!["\u{1}"];
        let there = [left.get(level), right.get(level)].into_iter().flatten();
        texts.extend(there.filter(|text| !matches!(**text, "+" | "#")));
        texts.dedup();
        let slash = if level == 0 { "" } else { "/" };
        longest = longest
            .iter()
            .flat_map(|start| texts.iter().map(move |text| format!("{start}{slash}{text}")))
            .collect();
        all.extend_from_slice(&longest);
    }
    all
}

pub(super) fn covers(wide: &str, narrow: &str) -> bool {
    witnesses(wide, narrow).iter().all(|topic| !matches(narrow, topic) || matches(wide, topic))
}

pub(super) fn overlap(left: &str, right: &str) -> bool {
    witnesses(left, right).iter().any(|topic| matches(left, topic) && matches(right, topic))
}

const LITERALS: [&str; 10] = ["a", "b", "", "$x", "$", "ü", "☃ b", "{a}", "ab", "."];

/// A filter that MQTT allows.
pub(super) fn filter(rng: &mut Rng, most_levels: usize) -> String {
    loop {
        let count = rng.usize(1..=most_levels);
        let mut levels: Vec<&str> = (0..count).map(|_| level(rng, true)).collect();
        if once_in(rng, 3) {
            levels[count - 1] = "#";
        }
        let filter = levels.join("/");
        if !filter.is_empty() {
            return filter;
        }
    }
}

/// A topic that a message may be published on, often one that the filter matches.
pub(super) fn topic(rng: &mut Rng, filter: &str) -> String {
    let mut levels: Vec<&str> = Vec::new();
    for wanted in filter.split('/') {
        match wanted {
            "#" => levels.extend((0..rng.usize(..3)).map(|_| pick(rng, &LITERALS))),
            "+" => levels.push(level(rng, false)),
            literal if once_in(rng, 12) => levels.extend([literal, level(rng, false)]),
            _ if once_in(rng, 12) => levels.push(level(rng, false)),
            literal => levels.push(literal),
        }
    }
    if once_in(rng, 12) {
        levels.pop();
    }
    let topic = levels.join("/");
    if topic.is_empty() { "a".to_owned() } else { topic }
}

/// Few texts, so that they meet again.
fn level(rng: &mut Rng, wild: bool) -> &'static str {
    if wild && once_in(rng, 3) {
        "+"
    } else {
        let among = pick(rng, &[3, LITERALS.len()]);
        pick(rng, &LITERALS[..among])
    }
}
