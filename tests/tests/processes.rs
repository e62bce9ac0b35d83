//! How a service ends when it cannot go on, or is not allowed to.

use std::time::{Duration, Instant};

use tests::{Process, Program, Spy, on_each_broker, unique_id};

/// Much longer than a program takes to end, much shorter than a wait that it would have to cut off.
const AT_ONCE: Duration = Duration::from_secs(20);

fn hanging(url: &str, client_id: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_hanging"))
        .env("MQTT_URL", url)
        .env("MQTT_CLIENT_ID", client_id)
        .env("MQTT_SHUTDOWN_TIMEOUT", "60")
}

async fn ready(process: &Process, port: u16, client_id: &str) {
    let mut spy = Spy::on(port, &[&format!("system/health/{client_id}")]).await;
    while tests::json(&spy.next().await)["data"]["event"] != "ready" {}
    // What it writes takes its own way here, and may come later than what it publishes.
    process.logs("connected").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_service_at_once_although_a_handler_hangs() {
    on_each_broker(|broker| async move {
        for kind in ["wait", "block"] {
            let client_id = unique_id("second-signal");
            let mut process = hanging(&broker.url(), &client_id).start();
            ready(&process, broker.port(), &client_id).await;
            let spy = Spy::on(broker.port(), &[]).await;
            spy.publish(&format!("hang/{client_id}/{kind}"), "for ever").await;
            process.says(&format!("{client_id} {kind}s: for ever")).await;

            process.signal("TERM");
            process.logs("SIGTERM: stopping").await;
            // One that comes sooner is taken for the same.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let second = Instant::now();
            process.signal("TERM");
            assert_eq!(process.exit_code().await, 1);
            assert!(second.elapsed() < AT_ONCE, "{kind}: {:?}", second.elapsed());
            let errors = process.errors();
            assert!(errors.contains("SIGTERM again: ending at once"), "{errors}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_is_cut_off_in_time_and_its_message_comes_again_at_the_next_start() {
    on_each_broker(|broker| async move {
        for kind in ["wait", "block"] {
            let client_id = unique_id("cut-off");
            let start = || hanging(&broker.url(), &client_id).env("MQTT_SHUTDOWN_TIMEOUT", "1");
            let mut process = start().start();
            ready(&process, broker.port(), &client_id).await;
            let spy = Spy::on(broker.port(), &[]).await;
            spy.publish(&format!("hang/{client_id}/{kind}"), "for ever").await;
            process.says(&format!("{client_id} {kind}s: for ever")).await;

            let signal = Instant::now();
            process.signal("TERM");
            assert_eq!(process.exit_code().await, 0, "{}", process.errors());
            assert!(signal.elapsed() < AT_ONCE, "{kind}: {:?}", signal.elapsed());
            let errors = process.errors();
            assert!(errors.contains("handlers did not finish in time"), "{errors}");

            let mut process = start().start();
            process.says(&format!("{client_id} {kind}s: for ever")).await;
            process.kill();
            let process = start().start();
            process.says(&format!("{client_id} {kind}s: for ever")).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_debug_what_a_handler_logs_says_which_message_it_is_about() {
    let broker = tars_mqtt::broker::EmbeddedBroker::start("127.0.0.1:0").await.unwrap();
    let port = broker.local_addr().port();
    let start = |rust_log| hanging(&broker.url(), "logging").env("RUST_LOG", rust_log).start();
    let spy = Spy::on(port, &[]).await;
    let payload = tests::envelope("t", "conversation-7", "{}");

    let mut process = start("info");
    ready(&process, port, "logging").await;
    spy.publish("hang/logging/wait", payload).await;
    process.logs("INFO hanging: waiting").await;
    process.kill();

    let process = start("info,tars_mqtt::message=debug");
    process.logs("hanging: waiting").await;
    let errors = process.errors();
    let line = errors.lines().find(|line| line.contains("hanging: waiting")).unwrap();
    for part in [
        r#"message{handler="hanging::wait""#,
        r#"topic="hang/logging/wait""#,
        r#"id="conversation-7""#,
        "attempt=1",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_nobody_gave_ends_the_service_with_the_handler_the_place_and_the_type() {
    let program = Program::new(env!("CARGO_BIN_EXE_stateless"));
    let mut process = program.env("MQTT_URL", "mqtt://127.0.0.1:9").start();
    assert_eq!(process.exit_code().await, 1);
    let errors = process.errors();
    assert!(
        errors.contains(
            "error: handler stateless::store (tests/src/bin/stateless.rs:8) asks for \
             State<stateless::Database>, which was never given; hand one to App::state"
        ),
        "{errors}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_main_returns_is_said_and_ends_the_program_with_1() {
    let program = Program::new(env!("CARGO_BIN_EXE_failing"));
    let mut process = program.env("MQTT_URL", "mqtt://127.0.0.1:9").start();
    assert_eq!(process.exit_code().await, 1);
    assert_eq!(process.errors(), "error: the database is on holiday\n");
    assert_eq!(process.output(), "");
}
