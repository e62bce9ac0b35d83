//! The whole robot, as who sits at its terminal sees it.

#![allow(clippy::unwrap_used)]

use tempfile::TempDir;
use tests::{Process, Program};

/// The whole robot in one process, which speaks so fast that nobody waits, on a port of its own.
fn robot(folder: &TempDir) -> Program {
    Program::new(env!("CARGO_BIN_EXE_tars"))
        .env("MEMORY_PATH", folder.path().join("memory.jsonl").to_string_lossy())
        .env("TTS_WORDS_PER_MINUTE", "100000")
}

/// What it writes about the conversation.
fn conversation(process: &Process) -> Vec<String> {
    let output = process.output();
    let lines =
        output.lines().filter(|line| line.starts_with(['>', '(']) || line.starts_with("TARS"));
    lines.map(str::to_owned).collect()
}

#[tokio::test]
async fn each_line_is_answered_before_the_next_one_is_said() {
    let folder = TempDir::new().unwrap();
    let said = "hey tars\nsay one, two\n\nhey tars, say three\nHello there!\n";
    let mut robot = robot(&folder).input(said).start();
    assert_eq!(robot.exit_code().await, 0, "{}", robot.errors());
    assert_eq!(
        conversation(&robot),
        [
            "TARS: System online.",
            "> hey tars",
            "TARS: Hmm?",
            "> say one, two",
            "TARS: one, two",
            "> hey tars, say three",
            "TARS: three",
            "> Hello there!",
            "TARS: Hello! How can I help?",
        ]
    );
    assert_eq!(robot.errors(), "");
}

#[tokio::test]
async fn who_does_not_call_it_is_told_how() {
    let folder = TempDir::new().unwrap();
    let robot = robot(&folder).env("ONLINE_ANNOUNCE", "false");
    let mut robot = robot.input("hello\nhey tars\nhello\n").start();
    assert_eq!(robot.exit_code().await, 0, "{}", robot.errors());
    assert_eq!(
        conversation(&robot),
        [
            "> hello",
            "(TARS listens only after \"hey tars\", and for some seconds after it has spoken.)",
            "> hey tars",
            "TARS: Hmm?",
            "> hello",
            "TARS: Hello! How can I help?",
        ]
    );
}

#[tokio::test]
async fn it_ends_when_it_is_told_to_while_nothing_is_typed() {
    let folder = TempDir::new().unwrap();
    let mut robot = robot(&folder).listening().start();
    robot.says("TARS: System online.").await;
    robot.signal("INT");
    assert_eq!(robot.exit_code().await, 0, "{}", robot.errors());
}
