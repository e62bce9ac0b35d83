//! Compiles every program in `pass/` and `fail/`.

use std::fs;
use std::path::PathBuf;

/// What fits on a screen.
const MOST_LINES: usize = 25;

#[test]
fn good_programs_compile_and_others_are_told_why_not() {
    let is_set = |name| std::env::var_os(name).is_some();
    assert!(!(is_set("CI") && is_set("TRYBUILD")), "TRYBUILD would rewrite what is to be checked");
    let programs = trybuild::TestCases::new();
    programs.pass("pass/*.rs");
    programs.compile_fail("fail/*/*.rs");
}

#[test]
fn no_refusal_is_longer_than_a_screen() {
    let programs = refused();
    assert!(programs.len() > 100, "only {} programs in fail/", programs.len());
    for program in programs {
        let told = fs::read_to_string(program.with_extension("stderr"))
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert!(told.starts_with("error"), "{}", program.display());
        for error in told.split("\n\n") {
            let lines = error.lines().count();
            assert!(lines <= MOST_LINES, "{}: {lines} lines:\n{error}", program.display());
            assert!(!error.starts_with("warning"), "{}:\n{error}", program.display());
        }
    }
}

fn refused() -> Vec<PathBuf> {
    let entries = |folder: PathBuf| {
        let entries = fs::read_dir(folder).expect("a folder of programs");
        entries.map(|entry| entry.expect("a readable folder").path())
    };
    entries("fail".into())
        .flat_map(entries)
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}
