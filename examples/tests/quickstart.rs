//! The quickstart as a process: what it says to the broker, and how it ends.

use std::time::{Duration, Instant};

use tars_mqtt::broker::EmbeddedBroker;
use tars_mqtt::rumqttc::QoS;
use tests::{
    Program, Relay, ScriptedServer, Spy, envelope, eventually, free_port, json, on_each_broker,
    unique_id,
};

fn quickstart(url: impl Into<String>, client_id: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_quickstart"))
        .env("MQTT_URL", url)
        .env("MQTT_CLIENT_ID", client_id)
        .env("MQTT_RECONNECT_MIN_DELAY", "0.1")
        .env("MQTT_RECONNECT_MAX_DELAY", "0.5")
}

fn request(id: &str) -> String {
    envelope("llm.request", id, &format!(r#"{{"id":"{id}","text":"hello"}}"#))
}

/// The next health report of a client, which the spy follows.
async fn health(spy: &mut Spy, client_id: &str) -> serde_json::Value {
    let report = json(&spy.next_on(&format!("system/health/{client_id}")).await);
    assert_eq!(report["type"], "health.status");
    assert_eq!(report["source"], client_id);
    report["data"].clone()
}

const GARBAGE: [&[u8]; 6] = [
    b"hello",
    b"",
    b"\xff\xfe",
    b"{}",
    br#"{"id":"1","type":"llm.request","ts":1,"source":"s","data":{"id":7}}"#,
    br#"{"id":"1","type":"llm.response","ts":1,"source":"s","data":{"id":"1","text":"x"}}"#,
];

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_are_answered_with_their_own_ids_whatever_comes_between() {
    on_each_broker(|broker| async move {
        let client_id = unique_id("answers");
        let topic = format!("system/health/{client_id}");
        let mut spy = Spy::on(broker.port(), &[&topic, "llm/response"]).await;
        let mut process = quickstart(broker.url(), &client_id).start();
        let ready = health(&mut spy, &client_id).await;
        assert_eq!((&ready["ok"], &ready["event"]), (&true.into(), &"ready".into()));
        assert!(ready["err"].is_null(), "{ready}");

        for number in 0..200 {
            spy.publish("llm/request", GARBAGE[number % GARBAGE.len()]).await;
            spy.publish("llm/request", request(&format!("id-{number}"))).await;
        }
        for number in 0..200 {
            let response = json(&spy.next_on("llm/response").await);
            assert_eq!(response["id"], format!("id-{number}"));
            assert_eq!(response["type"], "llm.response");
            assert_eq!(response["source"], client_id.as_str());
            assert_eq!(response["data"]["id"], format!("id-{number}"));
            assert_eq!(response["data"]["reply"], "HELLO");
        }
        assert!(spy.rest().is_empty(), "nothing else is published");

        // Whoever comes later still learns that it is ready.
        let retained = Spy::on(broker.port(), &[&topic]).await.next().await;
        assert!(retained.retain);
        assert_eq!(json(&retained)["data"]["event"], "ready");

        process.signal("TERM");
        assert_eq!(process.exit_code().await, 0, "{}", process.errors());
        let end = health(&mut spy, &client_id).await;
        assert_eq!((&end["ok"], &end["event"]), (&false.into(), &"shutdown".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_it_in_order_too() {
    on_each_broker(|broker| async move {
        let client_id = unique_id("interrupted");
        let mut spy = Spy::on(broker.port(), &[&format!("system/health/{client_id}")]).await;
        let mut process = quickstart(broker.url(), &client_id).start();
        assert_eq!(health(&mut spy, &client_id).await["event"], "ready");
        process.signal("INT");
        assert_eq!(process.exit_code().await, 0, "{}", process.errors());
        assert_eq!(health(&mut spy, &client_id).await["event"], "shutdown");
        assert!(process.errors().contains("SIGINT: stopping"), "{}", process.errors());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_is_reported_offline_by_the_broker() {
    on_each_broker(|broker| async move {
        let client_id = unique_id("killed");
        let mut spy = Spy::on(broker.port(), &[&format!("system/health/{client_id}")]).await;
        let mut process = quickstart(broker.url(), &client_id).start();
        assert_eq!(health(&mut spy, &client_id).await["event"], "ready");
        process.kill();
        let will = health(&mut spy, &client_id).await;
        assert_eq!((&will["ok"], &will["event"]), (&false.into(), &"offline".into()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_time_while_the_broker_is_away() {
    on_each_broker(|broker| async move {
        let client_id = unique_id("away");
        let relay = Relay::to(broker.port()).await;
        let mut spy = Spy::on(broker.port(), &[&format!("system/health/{client_id}")]).await;
        let program = quickstart(relay.url(), &client_id).env("MQTT_SHUTDOWN_TIMEOUT", "1");
        let mut process = program.start();
        assert_eq!(health(&mut spy, &client_id).await["event"], "ready");
        relay.close();
        process.logs("connecting again").await;
        let signal = Instant::now();
        process.signal("TERM");
        assert_eq!(process.exit_code().await, 0, "{}", process.errors());
        assert!(signal.elapsed() < Duration::from_secs(4), "{:?}", signal.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_the_broker_never_acknowledged_does_not_hold_up_the_end_for_longer() {
    let server = ScriptedServer::start().await;
    let program = quickstart(server.url(), "unacknowledged").env("MQTT_ENABLE_HEALTH", "false");
    let mut process = program.env("MQTT_SHUTDOWN_TIMEOUT", "1").start();
    let mut connection = server.connected(false).await;
    connection.subscribe().await;
    connection.deliver("llm/request", &request("1"), 1, false).await;
    assert_eq!(connection.publish().await.topic, "llm/response");
    drop((connection, server));
    process.logs("cannot connect").await;
    let signal = Instant::now();
    process.signal("TERM");
    assert_eq!(process.exit_code().await, 1, "{}", process.errors());
    assert!(signal.elapsed() < Duration::from_secs(4), "{:?}", signal.elapsed());
    assert!(process.errors().contains("messages were left unsent"), "{}", process.errors());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_tried_until_it_is() {
    let port = free_port();
    let mut process = quickstart(format!("mqtt://127.0.0.1:{port}"), "patient").start();
    process.logs("cannot connect").await;
    process.logs("connecting again in").await;
    eventually("another attempt", || process.errors().matches("cannot connect").count() > 2).await;

    let broker = EmbeddedBroker::start(&format!("127.0.0.1:{port}")).await.expect("a broker");
    let mut spy = Spy::on(port, &["system/health/patient", "llm/response"]).await;
    assert_eq!(health(&mut spy, "patient").await["event"], "ready");
    spy.publish("llm/request", request("at-last")).await;
    assert_eq!(json(&spy.next().await)["id"], "at-last");
    process.signal("TERM");
    assert_eq!(process.exit_code().await, 0, "{}", process.errors());
    broker.stop().await.expect("the broker stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_came_while_it_was_down_are_answered_after_the_next_start() {
    on_each_broker(|broker| async move {
        let client_id = unique_id("down");
        let mut spy =
            Spy::on(broker.port(), &[&format!("system/health/{client_id}"), "llm/response"]).await;
        let mut process = quickstart(broker.url(), &client_id).start();
        assert_eq!(health(&mut spy, &client_id).await["event"], "ready");
        process.signal("TERM");
        assert_eq!(process.exit_code().await, 0, "{}", process.errors());
        for number in 0..20 {
            let request = request(&format!("late-{number}"));
            spy.publish_as("llm/request", request, QoS::AtLeastOnce, false).await;
        }
        let _process = quickstart(broker.url(), &client_id).start();
        for number in 0..20 {
            let response = json(&spy.next_on("llm/response").await);
            assert_eq!(response["id"], format!("late-{number}"));
        }
    })
    .await;
}
