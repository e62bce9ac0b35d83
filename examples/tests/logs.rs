//! What a service writes to its log, and in which form.

use serde_json::Value;
use tars_mqtt::broker::EmbeddedBroker;
use tests::{Program, Spy, envelope};

/// The log of a quickstart that answered one good and one bad message and was then stopped.
async fn log_of_a_short_life(variables: &[(&str, &str)]) -> String {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.expect("a broker");
    let mut spy = Spy::on(broker.local_addr().port(), &["system/health/+", "llm/response"]).await;
    let mut program = Program::new(env!("CARGO_BIN_EXE_quickstart"))
        .env("MQTT_URL", broker.url())
        .env("MQTT_CLIENT_ID", "logger");
    for (name, value) in variables {
        program = program.env(name, *value);
    }
    let mut process = program.start();
    spy.next_on("system/health/logger").await;
    spy.publish("llm/request", "garbage").await;
    let request = envelope("llm.request", "conversation-7", r#"{"id":"1","text":"hello"}"#);
    spy.publish("llm/request", request).await;
    spy.next_on("llm/response").await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, 0, "{}", process.errors());
    assert_eq!(process.output(), "", "logs go to standard error");
    process.errors()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usual_log_tells_of_handlers_the_connection_refused_messages_and_the_end() {
    let log = log_of_a_short_life(&[]).await;
    for part in [
        "INFO",
        r#"a handler handler="quickstart::answer" filter="llm/request" qos=1"#,
        "at=examples/src/bin/quickstart.rs:",
        "connected broker=mqtt://127.0.0.1:",
        "a message was refused: the payload is not an envelope",
        "SIGTERM: stopping",
        "stopped after",
    ] {
        assert!(log.contains(part), "{part} is not in\n{log}");
    }
    assert!(!log.contains("DEBUG"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colors where nobody looks: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rust_log_says_how_much_is_logged() {
    let log = log_of_a_short_life(&[("RUST_LOG", "warn")]).await;
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("WARN") && log.contains("a message was refused"), "{log}");

    assert_eq!(log_of_a_short_life(&[("RUST_LOG", "off")]).await, "");

    let log = log_of_a_short_life(&[("RUST_LOG", "not=a=filter")]).await;
    assert!(log.contains("WARN") && log.contains("RUST_LOG=not=a=filter"), "{log}");
    assert!(log.contains("INFO"), "the usual log: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_json_each_line_is_an_object() {
    let log = log_of_a_short_life(&[("TARS_MQTT_LOG", "json")]).await;
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert!(lines.len() > 3, "{log}");
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    let refused = lines.iter().find(|line| line["level"] == "WARN").expect("a warning");
    assert_eq!(refused["fields"]["handler"], "quickstart::answer");
    assert_eq!(refused["fields"]["topic"], "llm/request");
}
