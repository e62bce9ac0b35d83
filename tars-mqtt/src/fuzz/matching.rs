use fastrand::Rng;
use tars_mqtt_topic as topic;
use tars_mqtt_topic::Pattern;

use super::reference::{self, filter};
use super::{Target, fuzz, once_in, target};

#[test]
fn matching_agrees_with_the_reference() {
    let shares = [("matched", 20), ("unmatched", 20)];
    fuzz("matching", 40_000, &shares, |rng| {
        let filter = filter(rng, 6);
        let other = if once_in(rng, 4) { reference::filter(rng, 6) } else { filter.clone() };
        let name = reference::topic(rng, &other);
        let expected = reference::matches(&filter, &name);
        assert_eq!(topic::matches(&filter, &name), expected, "{filter:?} on {name:?}");
        if expected { "matched" } else { "unmatched" }
    });
}

#[test]
fn covering_and_overlapping_are_what_topics_say() {
    let shares = [("covers", 5), ("overlaps", 10), ("apart", 20)];
    fuzz("covering and overlapping", 6_000, &shares, |rng| {
        let (left, right) = (filter(rng, 4), filter(rng, 4));
        let (covers, overlap) =
            (reference::covers(&left, &right), reference::overlap(&left, &right));
        assert_eq!(topic::covers(&left, &right), covers, "{left:?} over {right:?}");
        // Braces are text in a filter and have a meaning in a pattern.
        if !left.contains('{') && !right.contains('{') {
            assert_eq!(topic::patterns_overlap(&left, &right), overlap, "{left:?} and {right:?}");
            assert_eq!(topic::patterns_overlap(&right, &left), overlap, "{right:?} and {left:?}");
        }
        match (covers, overlap) {
            (true, _) => "covers",
            (false, true) => "overlaps",
            (false, false) => "apart",
        }
    });
}

/// Two filters that MQTT allows, and one text that is published on, each in a line. Other texts only
/// must not make anybody panic.
fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (left, right, name) = (line(), line(), line());
    let overlaps = topic::patterns_overlap(left, right);
    assert_eq!(overlaps, topic::patterns_overlap(right, left), "{left:?} and {right:?}");
    let covers = topic::covers(left, right);
    let is_filter = |text: &str| {
        Pattern::parse(text).is_ok() && !text.contains('{') && text.split('/').count() < 5
    };
    if is_filter(left) && topic::check_topic_name(name).is_ok() {
        let expected = reference::matches(left, name);
        assert_eq!(topic::matches(left, name), expected, "{left:?} on {name:?}");
    } else {
        let _ = topic::matches(left, name);
    }
    if is_filter(left) && is_filter(right) {
        assert_eq!(covers, reference::covers(left, right), "{left:?} over {right:?}");
        assert_eq!(overlaps, reference::overlap(left, right), "{left:?} and {right:?}");
    }
}

pub(crate) const TARGET: Target = {
    let make = |rng: &mut Rng| {
        let (left, right) = (filter(rng, 4), filter(rng, 4));
        let name = reference::topic(rng, &left);
        format!("{left}\n{right}\n{name}").into_bytes()
    };
    target!("topics", make, check)
};

#[test]
fn corpus_of_topics() {
    TARGET.run();
}

#[test]
fn any_two_texts_can_be_compared() {
    const PIECES: [&str; 16] = [
        "/", "+", "#", "{", "}", "{a}", "{a..}", "..", "$", "$share/", "a", "\0", "ü", "☃", "",
        "/#",
    ];
    fuzz("any texts compared", 60_000, &[], |rng| {
        let mut text = || -> String {
            (0..rng.usize(..8)).map(|_| PIECES[rng.usize(..PIECES.len())]).collect()
        };
        let (left, right) = (text(), text());
        let same = topic::patterns_overlap(&left, &right) == topic::patterns_overlap(&right, &left);
        assert!(same, "{left:?} and {right:?}");
        let _ = topic::covers(&left, &right);
        if topic::matches(&left, &right) { "matched" } else { "unmatched" }
    });
}
