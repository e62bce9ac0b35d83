//! What a service makes of its settings before it connects, and of a broker that does not want it.

use tars_mqtt::broker::EmbeddedBroker;
use tests::{Mosquitto, Process, Program};

fn quickstart() -> Program {
    Program::new(env!("CARGO_BIN_EXE_quickstart"))
}

/// Ends with status 2. Returns the problems, one a line, without what stands before the first.
async fn problems(mut process: Process) -> Vec<String> {
    assert_eq!(process.exit_code().await, 2, "{}", process.errors());
    assert_eq!(process.output(), "");
    let errors = process.errors();
    let problems = errors.strip_prefix("error: ").expect("it says that there is an error");
    problems.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_client_id_is_an_error_that_says_what_to_set() {
    let problems = problems(quickstart().env("MQTT_URL", "mqtt://127.0.0.1:9").start()).await;
    assert_eq!(
        problems,
        ["MQTT_CLIENT_ID: is required and not set: \
          must be 1 to 65535 bytes without `/`, `+`, `#` and NUL"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_problems_are_listed_at_once_and_no_password_among_them() {
    let program = quickstart()
        .env("MQTT_URL", "mqtt://alice:hunter2@127.0.0.1:99999")
        .env("MQTT_CLIENT_ID", "a/b")
        .env("MQTT_KEEPALIVE", "abc")
        .env("MQTT_ENABLE_HEALTH", "maybe")
        .env("MQTT_HEARTBEAT_INTERVAL", "0.5")
        .env("MQTT_DEDUPE_TTL", "30")
        .env("MQTT_DEDUPE_MAX_ENTRIES", "0")
        .env("MQTT_RECONNECT_MIN_DELAY", "10")
        .env("MQTT_RECONNECT_MAX_DELAY", "1")
        .env("MQTT_MAX_PACKET_SIZE", "1e6");
    let problems = problems(program.start()).await;
    let variables: Vec<&str> =
        problems.iter().filter_map(|problem| problem.split([' ', ':']).next()).collect();
    assert_eq!(
        variables,
        [
            "MQTT_URL",
            "MQTT_CLIENT_ID",
            "MQTT_KEEPALIVE",
            "MQTT_ENABLE_HEALTH",
            "MQTT_HEARTBEAT_INTERVAL",
            "MQTT_DEDUPE_MAX_ENTRIES",
            "MQTT_RECONNECT_MAX_DELAY",
            "MQTT_MAX_PACKET_SIZE",
        ]
    );
    assert_eq!(problems[2], r#"MQTT_KEEPALIVE = "abc": must be whole seconds from 1 to 3600"#);
    assert!(problems[0].contains("mqtt://***@127.0.0.1:99999"), "{}", problems[0]);
    assert!(!problems.concat().contains("hunter2"), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cannot_be_read_does_not_give_its_password_away() {
    for url in ["mqtt//alice:hunter2@host", "mqtt://alice:hunter2", "mqtt://alice:hunter2@[::1"] {
        let program = quickstart().env("MQTT_URL", url).env("MQTT_CLIENT_ID", "x");
        let problems = problems(program.start()).await;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("MQTT_URL"), "{problems:?}");
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_setting_is_a_warning_with_the_nearest_name() {
    let broker = EmbeddedBroker::start("127.0.0.1:0").await.expect("a broker");
    let program = quickstart()
        .env("MQTT_URL", broker.url())
        .env("MQTT_CLIENT_ID", "misspelled")
        .env("MQTT_KEEP_ALIVE", "5");
    let mut process = program.start();
    process.logs("MQTT_KEEP_ALIVE is not a setting; did you mean MQTT_KEEPALIVE?").await;
    process.logs("connected").await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, 0, "{}", process.errors());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_ends_the_service_and_is_not_shown() {
    let broker = EmbeddedBroker::builder()
        .address("127.0.0.1:0")
        .user("alice", "secret")
        .start()
        .await
        .expect("a broker");
    let url = broker.url().replace("mqtt://", "mqtt://alice:hunter2@");
    let program = quickstart().env("MQTT_URL", url).env("MQTT_CLIENT_ID", "alice");
    let mut process = program.env("RUST_LOG", "trace").start();
    assert_eq!(process.exit_code().await, 1, "{}", process.errors());
    let errors = process.errors();
    assert!(errors.contains("error: the broker refused the login; check the user"), "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");

    let url = broker.url().replace("mqtt://", "mqtt://alice:secret@");
    let program = quickstart().env("MQTT_URL", url).env("MQTT_CLIENT_ID", "alice");
    let mut process = program.env("RUST_LOG", "trace").start();
    process.logs("connected").await;
    process.signal("TERM");
    assert_eq!(process.exit_code().await, 0, "{}", process.errors());
    assert!(!process.errors().contains("secret"), "{}", process.errors());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_mosquitto_refuses_ends_the_service_too() {
    let Some(broker) = Mosquitto::start_with("allow_anonymous false\n").await else { return };
    let url = broker.url().replace("mqtt://", "mqtt://alice:hunter2@");
    let program = quickstart().env("MQTT_URL", url).env("MQTT_CLIENT_ID", "alice");
    let mut process = program.start();
    assert_eq!(process.exit_code().await, 1, "{}", process.errors());
    let errors = process.errors();
    assert!(errors.contains("error: the broker does not let this client in"), "{errors}");
    assert!(!errors.contains("hunter2"), "{errors}");
}
