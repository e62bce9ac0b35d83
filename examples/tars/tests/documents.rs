//! What the documents say about the services is so.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const MIGRATION: &str = include_str!("../../../docs/migration.md");
const PATTERNS: &str = include_str!("../../../docs/patterns.md");

/// The lines about MQTT that the services had in Python.
const IN_PYTHON: [(&str, u32); 9] = [
    ("llm", 321),
    ("memory", 138),
    ("wake", 131),
    ("stt", 105),
    ("web", 81),
    ("tts", 79),
    ("camera", 59),
    ("movement", 47),
    ("router", 44),
];

/// The lines about MQTT, and the lines in all.
fn counted() -> BTreeMap<String, [u32; 2]> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("count-lines");
    let output = Command::new("bash").arg(script).output().expect("bash runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let count = |line: &str| {
        let [name, about, all] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (name.to_owned(), [about, all].map(|number| number.parse().unwrap()))
    };
    lines.lines().map(count).collect()
}

fn says(row: &str) {
    assert!(MIGRATION.lines().any(|line| line == row), "docs/migration.md must have: {row}");
}

#[test]
fn no_service_has_more_than_half_of_the_lines_about_mqtt_that_it_had_in_python() {
    let counted = counted();
    for (service, before) in IN_PYTHON {
        let [now, _] = counted[service];
        assert!(now > 1 && now * 2 <= before, "{service} has {now}, and had {before}");
    }
}

#[test]
fn the_tables_of_lines_are_what_is_counted() {
    let counted = counted();
    let share = |before: u32, now: u32| (f64::from(now) / f64::from(before) * 100.0).round();
    let (mut all_before, mut all_now) = (0, 0);
    for (service, before) in IN_PYTHON {
        let [now, _] = counted[service];
        says(&format!("| {service} | {before} | {now} | {} % |", share(before, now)));
        (all_before, all_now) = (all_before + before, all_now + now);
    }
    says(&format!("| mcp | – | {} | – |", counted["mcp"][0]));
    assert_eq!(all_before, 1005);
    says(&format!("| the nine with both | 1,005 | {all_now} | {} % |", share(all_before, all_now)));
    for name in ["with the framework", "on plain rumqttc"] {
        let [about, all] = counted[&name.replace(' ', "-")];
        says(&format!("| {name} | {about} | {all} |"));
    }
}

/// The paths in a text that are written as code or linked to.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(['`', '(', ')', '[', ']']).map(|part| part.trim_start_matches("../"));
    parts.filter(|part| {
        ["examples/", "tests/", "docs/"].iter().any(|folder| part.starts_with(folder))
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn what_the_documents_name_is_there() {
    let conversation = include_str!("../../../docs/conversation.md");
    for text in [MIGRATION, PATTERNS, conversation] {
        assert!(paths(text).count() > 1);
        for path in paths(text) {
            assert!(root().join(path).exists(), "{path}");
        }
    }
}

/// Without indentation, for pieces of a program are shown without what is around them.
fn trimmed(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pieces_of_programs_under_patterns_are_as_they_stand_in_the_examples() {
    let mut pieces = 0;
    for section in PATTERNS.split("\n## ").skip(1) {
        let name = section.lines().next().unwrap();
        let [before, block] = section.split("```rust,no_run\n").collect::<Vec<_>>()[..] else {
            panic!("{name}: one piece of a program");
        };
        let path = before.rsplit_once("](../").expect("a link before it").1;
        let path = path.split(')').next().unwrap();
        let program = trimmed(&std::fs::read_to_string(root().join(path)).unwrap());
        for piece in block.split("```").next().unwrap().split("\n\n") {
            // What it uses is gathered at its head.
            if piece.lines().any(|line| !line.starts_with("use ")) {
                let piece = trimmed(piece.trim());
                assert!(program.contains(&piece), "{name}: {path} does not have:\n{piece}");
                pieces += 1;
            }
        }
    }
    assert!(pieces > 20, "{pieces}");
}
