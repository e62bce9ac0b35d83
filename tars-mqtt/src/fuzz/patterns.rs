use std::collections::HashSet;

use fastrand::Rng;
use tars_mqtt_topic::{
    MAX_LEN, MAX_NAME_LEN, Pattern, PatternError, check_topic_name, patterns_overlap,
};

use super::{Target, fuzz, mutate, once_in, pick, reference, target};

#[test]
fn patterns_are_read_as_the_grammar_says() {
    fuzz("patterns", 40_000, &[("accepted", 30), ("refused", 20)], |rng| check_text(&pattern(rng)));
}

pub(crate) const TARGET: Target = {
    let make = |rng: &mut Rng| loop {
        // Those near the limit of length only make what is kept large.
        let text = pattern(rng);
        if text.len() < 200 {
            return text.into_bytes();
        }
    };
    let check = |input: &[u8]| {
        check_text(&String::from_utf8_lossy(input));
    };
    target!("patterns", make, check)
};

#[test]
fn corpus_of_patterns() {
    TARGET.run();
}

fn check_text(text: &str) -> &'static str {
    match Pattern::parse(text) {
        Ok(pattern) => {
            assert!(is_pattern(text), "{text:?} is accepted");
            check(text, &pattern);
            "accepted"
        }
        Err(error) => {
            assert!(!is_pattern(text), "{text:?}: {error}");
            assert!(!error.to_string().is_empty());
            let too_long = matches!(error, PatternError::TooLong(_));
            assert_eq!(too_long, text.len() > MAX_LEN, "{} bytes", text.len());
            "refused"
        }
    }
}

#[test]
fn a_pattern_overlaps_as_its_filter_does() {
    fuzz("patterns overlapping", 6_000, &[("overlaps", 15), ("apart", 15)], |rng| {
        let (left, right) = (few_levels(rng), few_levels(rng));
        let (Ok(one), Ok(other)) = (Pattern::parse(&left), Pattern::parse(&right)) else {
            return "refused";
        };
        let expected = reference::overlap(&one.filter(), &other.filter());
        assert_eq!(patterns_overlap(&left, &right), expected, "{left:?} and {right:?}");
        if expected { "overlaps" } else { "apart" }
    });
}

fn check(text: &str, pattern: &Pattern) {
    let levels: Vec<String> = pattern.levels().iter().map(ToString::to_string).collect();
    assert_eq!(levels.join("/"), text);
    let filter = pattern.filter();
    let filter_levels: Vec<&str> = filter.split('/').collect();
    assert_eq!(filter_levels.len(), levels.len(), "{text:?}");
    for name in pattern.names() {
        let (index, _) = pattern.position(name).expect("its name has a position");
        assert!(matches!(filter_levels[index], "+" | "#"), "{text:?}");
        assert!(levels[index] == format!("{{{name}}}") || levels[index] == format!("{{{name}..}}"));
    }
    let again = Pattern::parse(&filter).expect("a filter is a pattern");
    assert_eq!(again.filter(), filter);
    let is_name = !filter.contains(['+', '#']);
    let is_name = is_name && filter.len() <= MAX_NAME_LEN && !filter.starts_with("$SYS");
    assert_eq!(check_topic_name(&filter).is_ok(), is_name, "{filter:?}");
}

/// The grammar of patterns, as a question.
fn is_pattern(text: &str) -> bool {
    let levels: Vec<&str> = text.split('/').collect();
    let mut names = HashSet::new();
    let sound = levels.iter().enumerate().all(|(index, level)| {
        let last = index + 1 == levels.len();
        if let Some(inner) = level.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            let (name, rest) = inner.strip_suffix("..").map_or((inner, false), |name| (name, true));
            return (last || !rest) && is_name(name) && names.insert(name);
        }
        match *level {
            "+" => true,
            "#" => last,
            text => text.chars().all(|c| !"+#{}".contains(c)),
        }
    });
    let shared = levels[0].starts_with("$share");
    let fits = !text.is_empty() && text.len() <= 65_535 && levels.len() <= 200;
    let is_non_character = |c: char| {
        let code = c as u32;
        (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    sound && fits && !text.contains(|c: char| c.is_control() || is_non_character(c)) && !shared
}

fn is_name(text: &str) -> bool {
    let begins = |c: char| c == '_' || c.is_alphabetic();
    text != "_"
        && text.starts_with(begins)
        && text.chars().all(|c| begins(c) || c.is_alphanumeric())
}

const LEVELS: [&str; 16] = [
    "a", "b", "", "$x", "ü", "+", "+", "{a}", "{b}", "{ü_1}", "{_a}", "a b", "$share", ".", "☃",
    "x",
];
const LAST: [&str; 6] = ["#", "{rest..}", "{a..}", "c", "+", "{z}"];
const WRONG: [&str; 18] = [
    "{", "}", "{}", "{a", "a}", "{1}", "{_}", "+a", "a#", "{..}", "{{a}}", "\0", "{a..}", "#",
    "{a b}", "x{a}", "{a.}", "{a...}",
];

fn pattern(rng: &mut Rng) -> String {
    if once_in(rng, 5_000) {
        return near_the_limit(rng);
    }
    let mut levels: Vec<&str> = (0..rng.usize(..5)).map(|_| pick(rng, &LEVELS)).collect();
    levels.push(pick(rng, &LAST));
    if once_in(rng, 4) {
        let at = rng.usize(..levels.len());
        levels[at] = pick(rng, &WRONG);
    }
    let text = levels.join("/");
    if !once_in(rng, 4) {
        return text;
    }
    let mut bytes = text.into_bytes();
    mutate(rng, &mut bytes, b"/+#{}$.\0_a1");
    String::from_utf8_lossy(&bytes).into_owned()
}

fn near_the_limit(rng: &mut Rng) -> String {
    let mut text = pick(rng, &["a", "a/", "ü", "☃"]).repeat(MAX_LEN / 3);
    while text.len() < MAX_LEN + rng.usize(..3) {
        text.push('x');
    }
    while text.len() > MAX_LEN + 2 {
        text.pop();
    }
    text
}

fn few_levels(rng: &mut Rng) -> String {
    let mut levels: Vec<&str> = (0..rng.usize(..3)).map(|_| pick(rng, &LEVELS[..10])).collect();
    levels.push(pick(rng, &LAST));
    levels.join("/")
}
