//! The modules of the runtime stand in layers: `table.rs` says which may import which, and this holds
//! the sources to it.

mod paths;
mod rules;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use paths::Source;
use rules::{Findings, Place};
use table::{FOUNDATIONS, LAYERS};

fn sources() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
    workspace.join("tars-mqtt/src")
}

/// The files of the runtime, by their path in `src/`.
fn files(folder: &Path, found: &mut BTreeMap<String, Source>) {
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).expect("the file can be read");
            let name = path.strip_prefix(sources()).expect("it is below the sources");
            found.insert(name.to_string_lossy().into_owned(), Source::read(&text));
        }
    }
}

fn runtime() -> BTreeMap<String, Source> {
    let mut found = BTreeMap::new();
    files(&sources(), &mut found);
    assert!(found.len() > 100, "the runtime is looked through: {}", found.len());
    found
}

/// What is wrong with the sources.
fn check(files: &BTreeMap<String, Source>) -> Findings {
    let of_tests = rules::files_of_tests(files);
    let mut findings = Findings::default();
    findings.modules(&files["lib.rs"]);
    for (path, source) in files {
        if path != "lib.rs" {
            findings.file(&Place::of(path, of_tests.contains(path)), source);
        }
    }
    findings
}

#[test]
fn no_module_imports_what_stands_above_it() {
    let findings = check(&runtime());
    assert!(findings.wrong.is_empty(), "\n{}\n", findings.wrong.join("\n"));
}

#[test]
fn the_table_is_in_order_and_allows_nothing_that_is_not_used() {
    let used = check(&runtime()).used;
    let foundations: BTreeSet<&str> = FOUNDATIONS.iter().map(|(module, _)| *module).collect();
    let mut below = BTreeSet::new();
    for (module, allowed) in LAYERS.iter().chain(FOUNDATIONS).rev() {
        for other in *allowed {
            assert!(below.contains(other), "{other} does not stand below {module}: move the row");
            assert!(
                foundations.contains(module) || !foundations.contains(other),
                "{other} is open to all: take it out of the row of {module}"
            );
            let is_used = used.contains(&((*module).to_owned(), (*other).to_owned()));
            assert!(is_used, "{module} imports nothing of {other}: take it out of its row");
        }
        assert!(below.insert(module), "{module} stands there twice");
    }
}

/// What is wrong with a file of this text.
fn wrong(path: &str, text: &str) -> String {
    let mut findings = Findings::default();
    findings.file(&Place::of(path, false), &Source::read(text));
    findings.wrong.join("\n")
}

#[test]
fn an_import_upwards_is_found_however_it_is_written() {
    for text in [
        "use crate::session::Session;",
        "use crate::{log, session::{self, Session}};",
        "use super::super::session::Session;",
        "mod inner { use super::super::super::session::Session; }",
        "fn f() { let session = [crate::session::Session::new()]; }",
        "fn f(_: Vec<crate::session::Session>) {}",
        "#[cfg(feature = \"testing\")] use crate::session::Session;",
        "#[cfg(test)] mod tests {} use crate::session::Session;",
        "#[cfg(test)] use crate::log::quoted; use crate::session::Session;",
        "struct S { #[cfg(test)] a: u8, b: crate::session::Session }",
    ] {
        let found = wrong("wire/packet.rs", &format!("use crate::qos::QoS;\n{text}"));
        assert!(
            found.starts_with("tars-mqtt/src/wire/packet.rs:2: wire imports `session"),
            "{text}"
        );
        assert!(found.contains("which stands above it: move what both need below"), "{found}");
    }
}

#[test]
fn an_import_that_is_in_order_is_let_through() {
    for text in [
        "use crate::{log::quoted, qos::QoS}; use super::publish::Publish;",
        "pub(crate) fn f() {} pub(in crate::wire) fn g() { super::h(); self::i(); }",
        "#[cfg(test)] mod tests { use super::*; use crate::session::Session; }",
        "#[cfg(all(test, feature = \"tls\"))] use crate::session::Session;",
        "#[cfg(test)] fn f<A, B>() { crate::session::f() }",
        "/// [`Session`](crate::session::Session)\nstruct Linked;",
    ] {
        assert_eq!(wrong("wire/packet.rs", text), "");
    }
}

#[test]
fn an_import_through_the_facade_is_found_also_in_tests() {
    for text in ["use crate::Error;", "use super::super::Error;", "use crate::*;"] {
        for text in [
            text.to_owned(),
            format!(
                "#[cfg(test)] mod tests {{ {} }}",
                text.replace("super::super", "super::super::super")
            ),
        ] {
            let found = wrong("net/tls.rs", &text);
            assert!(found.contains("through lib.rs"), "{text}: {found}");
        }
    }
}

#[test]
fn a_module_without_a_row_and_a_row_without_a_module_are_found() {
    let mut findings = Findings::default();
    findings.modules(&Source::read("mod app; mod novel; #[cfg(test)] mod fuzz;"));
    let found = findings.wrong.join("\n");
    assert!(found.contains("lib.rs: `novel` is in no layer") && !found.contains("fuzz"), "{found}");
    assert!(found.contains("there is no module `session`"), "{found}");
}

#[test]
fn a_row_allows_only_what_it_names() {
    let found = wrong("net/tls.rs", "use crate::wire::Packet;");
    assert!(found.contains("`wire::Packet`, which its row does not allow"), "{found}");
    let found = wrong("qos.rs", "use crate::text::Text;");
    assert!(found.contains("which its row does not allow"), "{found}");
}

#[test]
fn a_session_that_waits_or_asks_the_clock_is_found() {
    for text in [
        "async fn f() {}",
        "fn f() { g().await; }",
        "fn f() { tokio::time::Instant::now(); }",
        "use tokio::time::{Instant, sleep};",
        "use tokio::{net::TcpStream, sync::oneshot};",
        "fn f(limit: &LogLimit, since: Instant) { limit.allow(); since.elapsed(); }",
    ] {
        let found = wrong("session/inbox.rs", text);
        assert!(found.contains("the session knows no socket, no clock and no task"), "{text}");
        assert_eq!(wrong("session/inbox.rs", &format!("#[cfg(test)] mod tests {{ {text} }}")), "");
    }
    let fine = "use tokio::sync::{oneshot, watch}; fn f(limit: &LogLimit) { limit.allow_at(now); }";
    assert_eq!(wrong("session/inbox.rs", fine), "");
}

#[test]
fn rumqttc_and_the_codec_are_found_where_they_are_not_to_be_known() {
    for (path, text) in [
        ("session/inbox.rs", "use rumqttc::Packet;"),
        ("driver/link.rs", "fn f(_: rumqttc::Packet) {}"),
        ("session/inbox.rs", "use crate::wire::{Packet, v4::Decoder};"),
        ("session/inbox.rs", "use super::super::wire::v4;"),
    ] {
        let found = wrong(path, text);
        assert!(found.contains("only these may: wire"), "{path}: {text}: {found}");
    }
    for path in ["driver/handshake.rs", "wire/v4/decode.rs", "client/transport.rs"] {
        assert_eq!(wrong(path, "use rumqttc::Packet;"), "");
    }
}
