//! What a program with `#[tars_mqtt::main]` says when something in it panics.

use tars_mqtt::broker::EmbeddedBroker;
use tests::{Process, Program, Spy, unique_id};

const FORGED: &str = "first\nERROR forged: second\r\u{202e}third\u{1b}[31m";

fn program(url: &str, id: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_panicking"))
        .env("MQTT_URL", url)
        .env("MQTT_CLIENT_ID", id)
        .env("RUST_BACKTRACE", "0")
}

async fn panics(process: &Process, port: u16, id: &str, times: usize) {
    let mut spy = Spy::on(port, &[&format!("system/health/{id}")]).await;
    while tests::json(&spy.next().await)["data"]["event"] != "ready" {}
    for _ in 0..times {
        spy.publish(&format!("panic/{id}"), FORGED).await;
    }
    process.says(&format!("{id} panics\n").repeat(times)).await;
    process.logs("panicked").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_a_handler_is_a_line_of_the_log_that_forges_no_other() {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.unwrap();
    let id = unique_id("panics");
    let process = program(&broker.url(), &id).start();
    panics(&process, broker.local_addr().port(), &id, 1).await;
    let errors = process.errors();
    let line = errors.lines().find(|line| line.contains("panicked at=")).unwrap();
    assert!(line.contains("ERROR") && line.contains("tests/src/bin/panicking.rs:8"), "{line}");
    assert!(line.contains(r"first\nERROR forged: second\r\u{202e}third"), "{line}");
    assert!(!line.contains(['\u{202e}', '\r']), "{line}");
    // What is written to standard error by default, and comes from no log.
    assert!(!errors.contains("thread 'main'") && !errors.contains("RUST_BACKTRACE"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_log_of_json_a_panic_is_json_too_and_many_of_them_are_counted() {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.unwrap();
    let id = unique_id("panics-json");
    let process =
        program(&broker.url(), &id).env("TARS_MQTT_LOG", "json").env("RUST_BACKTRACE", "1").start();
    panics(&process, broker.local_addr().port(), &id, 25).await;
    let errors = process.errors();
    let lines: Vec<serde_json::Value> =
        errors.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let panics = lines.iter().filter(|line| line["fields"]["message"] == "panicked");
    // Ten in ten seconds, and the machine may be slow.
    assert!((10..25).contains(&panics.count()), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_before_there_is_a_log_and_an_error_at_the_end_are_told_on_lines_of_their_own() {
    for (what, told) in [
        ("panic", "error: panicked at tests/src/bin/panicking.rs:14:40: early\\nERROR forged\n"),
        (FORGED, "error: first\n  ERROR forged: second\\r\\u{202e}third\\u{1b}[31m\n"),
    ] {
        let program = program("mqtt://127.0.0.1:9", "early").env("PANICKING_MAIN", what);
        let mut process = program.start();
        assert!(process.exit_code().await > 0);
        assert_eq!(process.errors(), told);
    }
}
