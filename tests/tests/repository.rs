//! Rules of the repository itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;

const LONGEST_FILE: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// All text files of the repository, by their path in it.
fn files() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root(), &mut found);
    assert!(found.len() > 100, "the repository is looked through: {}", found.len());
    found
}

fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        if path.is_dir() {
            // What cargo builds and what git keeps is not of the repository.
            if name != "target" && name != ".git" {
                collect(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).expect("it is below the root");
            found.push((path.to_string_lossy().into_owned(), text));
        }
    }
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    files()
        .into_iter()
        .filter(|(path, _)| Path::new(path).extension().is_some_and(|extension| extension == "rs"))
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--all-features", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

/// `1.89` and `1.89.0` as numbers.
fn version(text: &str) -> Vec<u64> {
    let mut numbers: Vec<u64> =
        text.split('.').map(|number| number.parse().expect("a number")).collect();
    numbers.resize(3, 0);
    numbers
}

#[test]
fn no_dependency_asks_for_a_newer_compiler_than_the_workspace_does() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 100, "all dependencies are looked at: {}", packages.len());
    let members = metadata["workspace_members"].as_array().expect("members");
    let stated: BTreeSet<&str> = packages
        .iter()
        .filter(|package| members.contains(&package["id"]))
        .map(|package| package["rust_version"].as_str().expect("each member states a version"))
        .collect();
    assert_eq!(stated.len(), 1, "all members state the same: {stated:?}");
    let ours = version(stated.first().expect("there are members"));
    let newer: Vec<String> = packages
        .iter()
        .filter(|package| {
            package["rust_version"].as_str().is_some_and(|theirs| version(theirs) > ours)
        })
        .map(|package| {
            format!("{} {}: {}", package["name"], package["version"], package["rust_version"])
        })
        .collect();
    assert!(newer.is_empty(), "{newer:#?}");
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    let long: Vec<String> = rust_files()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{path} has {lines} lines"))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    // Written so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let left: Vec<String> = files()
        .into_iter()
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(path, _)| path)
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[test]
fn no_test_is_left_out() {
    let marks = [concat!("#[ig", "nore"), concat!("``", "`ignore"), concat!(",ig", "nore\n")];
    let left_out: Vec<String> = files()
        .into_iter()
        .filter(|(_, text)| marks.iter().any(|mark| text.contains(mark)))
        .map(|(path, _)| path)
        .collect();
    assert!(left_out.is_empty(), "{left_out:#?}");
}

#[test]
fn nothing_is_unsafe() {
    for (path, text) in rust_files() {
        // There are programs that the compiler must refuse.
        if path.starts_with("ui-tests") {
            continue;
        }
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(!has_unsafe(tokens), "{path}");
    }
}

/// Whether it says `unsafe`, other than in a signature that a test of the macros gives them.
fn has_unsafe(tokens: TokenStream) -> bool {
    let mut is_input = false;
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => {
            is_input = ident == "parse_quote";
            ident == "unsafe"
        }
        TokenTree::Group(group) => !std::mem::take(&mut is_input) && has_unsafe(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

#[test]
fn every_crate_forbids_unsafe_code() {
    let read = |path: &Path| {
        fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    let forbids = "unsafe_code = \"forbid\"";
    assert!(read(&root().join("Cargo.toml")).contains(forbids));
    for package in metadata()["packages"].as_array().expect("packages") {
        if !package["source"].is_null() {
            continue;
        }
        let path = package["manifest_path"].as_str().expect("it has a manifest");
        let manifest = read(Path::new(path));
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert!(inherits || manifest.contains(forbids), "{path}");
    }
}

#[test]
fn every_setting_is_documented() {
    let table = fs::read_to_string(root().join("tars-mqtt/src/config/settings.rs"));
    let table = table.expect("the table of settings");
    let names: BTreeSet<&str> = table
        .split('"')
        .filter(|text| {
            text.len() > "MQTT_".len()
                && text.starts_with("MQTT_")
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let readme = fs::read_to_string(root().join("tars-mqtt/README.md")).expect("a README");
    for name in names.into_iter().chain(["TARS_MQTT_CONFIG", "TARS_MQTT_LOG", "RUST_LOG"]) {
        assert!(readme.contains(&format!("| `{name}`")), "{name} is not in tars-mqtt/README.md");
    }
}

#[test]
fn every_example_is_in_the_readme_and_run_by_the_gate() {
    let read = |path: &str| fs::read_to_string(root().join(path)).expect(path);
    let (readme, gate) = (read("README.md"), read(".ci/run"));
    let examples = rust_files().filter_map(|(path, _)| {
        let name = path.strip_prefix("examples/src/bin/")?.strip_suffix(".rs")?;
        Some(name.to_owned())
    });
    for example in examples {
        assert!(readme.contains(&format!("--bin {example}`")), "{example} is not in README.md");
        let runs = [format!(" example {example} "), format!("\"$EXAMPLES/{example}\"")];
        assert!(runs.iter().any(|run| gate.contains(run)), "{example} is not in .ci/run");
    }
}

#[test]
fn every_test_that_the_promises_name_is_there() {
    let files = files();
    let pages = ["docs/delivery.md", "docs/security.md"];
    let promises: Vec<&str> = files
        .iter()
        .filter(|(name, _)| pages.contains(&name.as_str()))
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(promises.len(), pages.len());
    let promises = promises.join("\n");
    let mut named = 0;
    for name in promises.split('`').skip(1).step_by(2) {
        let is_test = name.len() > 20
            && !name
                .contains(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
        if is_test {
            let function = format!("fn {name}(");
            assert!(files.iter().any(|(_, text)| text.contains(&function)), "{name}");
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn every_file_that_the_design_names_is_there() {
    let files = files();
    let is_there = |path: &str| {
        ["", "tars-mqtt/src/"].iter().any(|folder| {
            let path = format!("{folder}{path}");
            files.iter().any(|(file, _)| *file == path || file.starts_with(&format!("{path}/")))
        })
    };
    for page in ["docs/design.md", "CONTRIBUTING.md"] {
        let (_, text) = files.iter().find(|(file, _)| file == page).expect(page);
        let words = text.split(|c: char| c.is_whitespace() || "`()[],:".contains(c));
        let paths: BTreeSet<&str> = words
            .map(|word| word.trim_end_matches(['/', '.']))
            .filter(|word| word.contains(".rs") || is_there(word.split('/').next().unwrap_or("")))
            .filter(|word| word.contains('/'))
            .collect();
        assert!(paths.len() > 5, "{page}: {paths:?}");
        for path in paths {
            assert!(is_there(path), "{page}: there is no {path}");
        }
    }
}

/// What a patch expects to find, each piece with the file that it changes.
fn expected(patch: &str) -> Vec<(String, String)> {
    let mut pieces = Vec::new();
    let mut file = String::new();
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            path.clone_into(&mut file);
        } else if line.starts_with("@@") {
            pieces.push((file.clone(), String::new()));
        } else if let Some((_, piece)) = pieces.last_mut()
            && let Some(text) = line.strip_prefix([' ', '-'])
        {
            piece.push_str(text);
            piece.push('\n');
        }
    }
    pieces
}

#[test]
fn every_mutant_is_one_of_the_sources_as_they_are() {
    let all = files();
    let mutants = all.iter().filter(|(path, _)| path.starts_with("tests/mutants/"));
    let mut count = 0;
    for (mutant, patch) in mutants {
        let pieces = expected(patch);
        assert!(!pieces.is_empty(), "{mutant} changes nothing");
        for (path, piece) in pieces {
            let source = all.iter().find(|(other, _)| *other == path);
            let is_there = source.is_some_and(|(_, source)| source.contains(&piece));
            assert!(is_there, "{mutant}: {path} has not the lines that it changes:\n{piece}");
        }
        count += 1;
    }
    assert!(count >= 20, "the mutants are looked at: {count}");
}
