//! The whole robot, as who sits at its terminal sees it.

#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use tempfile::TempDir;
use tests::{Mosquitto, Process, Program, Spy};

/// The whole robot in one process, which speaks so fast that nobody waits, on a port of its own.
fn robot(folder: &TempDir) -> Program {
    Program::new(env!("CARGO_BIN_EXE_tars"))
        .env("MEMORY_PATH", folder.path().join("memory.jsonl").to_string_lossy())
        .env("TTS_WORDS_PER_MINUTE", "100000")
        // On a busy machine all takes longer, and it must not stop listening meanwhile.
        .env("ROUTER_WAKE_WINDOW_SEC", "120")
        .env("WAKE_WINDOW_SEC", "120")
        .env("LLM_MEMORY_TIMEOUT_SEC", "60")
        .env("LLM_TOOL_TIMEOUT_SEC", "60")
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

/// What the robot says to each line.
fn answers(conversation: &[String], line: &str) -> Vec<String> {
    let said = conversation.iter().skip_while(|said| *said != &format!("> {line}")).skip(1);
    said.take_while(|said| !said.starts_with('>')).cloned().collect()
}

#[tokio::test]
async fn it_answers_sentence_by_sentence_and_moves_and_remembers_and_recalls() {
    let folder = TempDir::new().unwrap();
    let lines = [
        "hey tars",
        "who are you",
        "remember that my cat is called Miez",
        "what is my cat called",
        "what is 6 times 7",
        "turn left",
    ];
    let mut first = robot(&folder).input(&lines.join("\n")).start();
    assert_eq!(first.exit_code().await, 0, "{}", first.errors());
    let said = conversation(&first);
    let itself = answers(&said, "who are you");
    assert!(itself.len() > 1, "{said:#?}");
    for sentence in &itself {
        let marks = sentence.matches(['.', '!', '?']).count();
        assert!(marks == 1 && sentence.starts_with("TARS: "), "{sentence}");
    }
    assert!(answers(&said, "what is my cat called").concat().contains("Miez"), "{said:#?}");
    assert!(answers(&said, "what is 6 times 7").concat().contains("42"), "{said:#?}");
    assert_eq!(answers(&said, "turn left"), ["(TARS moves: turn_left)"]);
    assert_eq!(first.errors(), "");

    let mut second = robot(&folder).input("hey tars, what is my cat called").start();
    assert_eq!(second.exit_code().await, 0, "{}", second.errors());
    let said = conversation(&second);
    let recalled = answers(&said, "hey tars, what is my cat called").concat();
    assert!(recalled.contains("Miez"), "remembered after its end: {said:#?}");
}

/// The blocks of a document that are in this language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let begin = format!("```{language}\n");
    let after = document.split(&*begin).skip(1);
    after.map(|text| text.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn the_conversation_in_the_documents_is_what_the_robot_says() {
    let document = include_str!("../../../docs/conversation.md");
    let (commands, outputs) = (blocks(document, "sh"), blocks(document, "text"));
    let folder = TempDir::new().unwrap();
    for (command, output) in commands.into_iter().zip(outputs).take(2) {
        // The first text between quotes is the format of `printf`.
        let quoted = command.split('\'').skip(1).step_by(2).filter(|text| *text != "%s\\n");
        let input = quoted.collect::<Vec<_>>().join("\n");
        let mut robot = robot(&folder).input(&input).start();
        assert_eq!(robot.exit_code().await, 0, "{}", robot.errors());
        // Before it are the addresses, which are others here.
        let written: Vec<_> = output.lines().skip(2).collect();
        assert_eq!(conversation(&robot), written);
        assert_eq!(robot.errors(), "");
    }
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
async fn its_page_is_on_another_port_if_the_usual_one_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = TempDir::new().unwrap();
    let robot = robot(&folder).env("WEB_ADDRESS", &address).listening().start();
    robot.says("TARS: System online.").await;
    let output = robot.output();
    assert!(output.contains(&format!("The page cannot be on {address}")), "{output}");
    let page = output.split("The page is on http://").nth(1).unwrap().split('/').next().unwrap();
    let mut connection = TcpStream::connect(page).unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn it_joins_the_broker_that_it_is_told_of() {
    let Some(broker) = Mosquitto::start().await else { return };
    let mut spy = Spy::on(broker.port(), &["stt/final"]).await;
    let folder = TempDir::new().unwrap();
    let mut robot = robot(&folder).env("MQTT_URL", broker.url()).input("hey tars\n").start();
    assert_eq!(tests::json(&spy.next().await)["data"]["text"], "hey tars");
    assert_eq!(robot.exit_code().await, 0, "{}", robot.errors());
    assert_eq!(conversation(&robot), ["TARS: System online.", "> hey tars", "TARS: Hmm?"]);
}

#[tokio::test]
async fn what_others_say_cannot_move_the_cursor_name_the_window_or_fill_the_clipboard() {
    let Some(broker) = Mosquitto::start().await else { return };
    let spy = Spy::on(broker.port(), &[]).await;
    let folder = TempDir::new().unwrap();
    let robot = robot(&folder).env("MQTT_URL", broker.url()).listening().start();
    robot.says("TARS: System online.").await;
    let trick = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{9b}1m\u{202e}\r\nTARS: never said";
    let spoken = serde_json::json!({ "event": "speaking_start", "text": trick, "utt_id": "x" });
    let moves = serde_json::json!({ "event": "command_started", "command": trick });
    let failed = serde_json::json!({ "event": "command_failed", "command": "x", "detail": trick });
    for (topic, event_type, data) in [
        ("tts/status", "tts.status", spoken),
        ("movement/status", "movement.status", moves),
        ("movement/status", "movement.status", failed),
    ] {
        spy.publish(topic, tests::envelope(event_type, "1", &data.to_string())).await;
    }
    for begin in ["TARS: �]52;", "(TARS moves: �]52;", "(TARS cannot move: x: �]52;"] {
        robot.says(begin).await;
    }
    let is_safe = |c: char| c == '\n' || !(c.is_control() || c == '\u{202e}');
    assert!(robot.output().chars().all(is_safe), "{:?}", robot.output());
    assert!(!robot.output().contains("\nTARS: never said"));
}

#[tokio::test]
async fn a_setting_that_cannot_be_read_ends_it_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let mut robot = robot(&folder).env("ROUTER_WAKE_WINDOW_SEC", "soon").start();
    assert_eq!(robot.exit_code().await, 1);
    let said = "ROUTER_WAKE_WINDOW_SEC is \"soon\", and must be a number from 0 to 86400";
    assert!(robot.errors().contains(said), "{}", robot.errors());
}

#[tokio::test]
async fn it_ends_when_it_is_told_to_while_nothing_is_typed() {
    let folder = TempDir::new().unwrap();
    let mut robot = robot(&folder).listening().start();
    robot.says("TARS: System online.").await;
    robot.signal("INT");
    assert_eq!(robot.exit_code().await, 0, "{}", robot.errors());
}
