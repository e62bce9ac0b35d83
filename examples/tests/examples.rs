//! Each example does what it says.

use tests::{Process, Program, Spy, envelope, json, unique_id, within};
use tokio::net::TcpStream;

async fn output_of(program: Program) -> String {
    let mut process = program.start();
    assert_eq!(process.exit_code().await, 0, "{}", process.errors());
    process.output()
}

#[tokio::test(flavor = "multi_thread")]
async fn sensors_remembers_the_latest_of_each_room() {
    let output = output_of(Program::new(env!("CARGO_BIN_EXE_sensors"))).await;
    assert!(output.contains("kitchen: 21.5 °C\n"), "{output}");
    assert_eq!(output.matches("kitchen/temperature: ").count(), 2, "{output}");
    let end = "3 messages, latest: {\"cellar\": 12.0, \"kitchen\": 22.0}\n";
    assert!(output.ends_with(end), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn request_reply_gets_its_answers() {
    let output = output_of(Program::new(env!("CARGO_BIN_EXE_request_reply"))).await;
    assert!(output.contains("42 / 6: Quotient { value: Some(7), error: None }"), "{output}");
    assert!(output.contains("1 / 0: Quotient { value: None, error: Some(\"1 / 0\") }"), "{output}");
    assert!(output.contains("(from calculator)"), "{output}");
    assert!(output.contains("nobody answers `unanswered`: nothing came within 200ms"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streaming_publishes_word_by_word() {
    let output = output_of(Program::new(env!("CARGO_BIN_EXE_streaming"))).await;
    let words: Vec<&str> =
        output.lines().filter_map(|line| line.split_once(": ")).map(|(_, w)| w).collect();
    assert_eq!(words, ["this", "is", "an", "answer", "piece", "by", "piece"], "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn batching_publishes_every_value_once() {
    let output = output_of(Program::new(env!("CARGO_BIN_EXE_batching"))).await;
    let values = |line: &str| {
        let values = line.strip_prefix("a batch of ")?.split_once(": [")?.1.strip_suffix(']')?;
        values.split(", ").map(|value| value.parse().ok()).collect::<Option<Vec<u32>>>()
    };
    let batches: Vec<_> = output.lines().filter_map(values).collect();
    assert!(batches.iter().all(|batch| batch.len() <= 4), "{output}");
    // Handlers that run at once are in no order.
    let mut all = batches.concat();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>(), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_count_each_page_once() {
    let output = output_of(Program::new(env!("CARGO_BIN_EXE_workers"))).await;
    assert!(output.ends_with("\n6 words on 4 pages\n"), "{output}");
    for page in 0..4 {
        assert_eq!(output.matches(&format!("on page {page}\n")).count(), 1, "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_answered() {
    let output = output_of(Program::new(env!("CARGO_BIN_EXE_packets"))).await;
    assert!(output.contains("The broker has answered a ping.\n"), "{output}");
}

fn without_url(client_id: &str) -> Process {
    Program::new(env!("CARGO_BIN_EXE_quickstart")).env("MQTT_CLIENT_ID", client_id).start()
}

/// All that listen on the usual port, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_usual_port_the_demo_answers_lines_and_services_without_a_url_share_a_broker() {
    let demo = || Program::new(env!("CARGO_BIN_EXE_demo"));
    let output = output_of(demo().input("hello\nwhat is up\n")).await;
    assert!(output.contains("An MQTT broker listens on 127.0.0.1:"), "{output}");
    assert!(output.ends_with("\nHELLO\nWHAT IS UP\n"), "{output}");
    let output = output_of(demo()).await;
    assert!(output.ends_with("End with Ctrl-D.\n"), "{output}");

    let is_free = TcpStream::connect("127.0.0.1:1883").await.is_err();
    let (one, two) = (unique_id("first"), unique_id("second"));
    let mut first = if is_free {
        without_url(&one)
    } else {
        // Nobody has told whose it is.
        let program = Program::new(env!("CARGO_BIN_EXE_quickstart"));
        program.env("MQTT_CLIENT_ID", &one).env("MQTT_JOIN_LOCAL_BROKER", "true").start()
    };
    let joining = "MQTT_URL is not set: joining the broker on 127.0.0.1:1883";
    if is_free {
        first
            .logs("MQTT_URL is not set: started a broker in this process, on 127.0.0.1:1883")
            .await;
    } else {
        first.logs(joining).await;
    }
    let mut spy = Spy::on(1883, &["llm/response", "system/health/+"]).await;
    spy.next_on(&format!("system/health/{one}")).await;
    let join = if is_free { "false" } else { "true" };
    let mut second = Program::new(env!("CARGO_BIN_EXE_quickstart"))
        .env("MQTT_CLIENT_ID", &two)
        .env("MQTT_JOIN_LOCAL_BROKER", join)
        .start();
    second.logs(joining).await;
    spy.next_on(&format!("system/health/{two}")).await;
    assert!(second.errors().contains("WARN"), "{}", second.errors());

    // The demo makes do with another port.
    let output = output_of(demo().input("again\n")).await;
    assert!(output.ends_with("\nAGAIN\n"), "{output}");

    let id = unique_id("both-answer");
    spy.publish("llm/request", envelope("llm.request", &id, r#"{"id":"1","text":"hi"}"#)).await;
    let mut sources = Vec::new();
    while sources.len() < 2 {
        let response = json(&within("both answers", spy.next_on("llm/response")).await);
        if response["id"] == id.as_str() {
            sources.push(response["source"].as_str().map(str::to_owned));
        }
    }
    sources.sort();
    assert_eq!(sources, [Some(one), Some(two)]);

    for process in [&mut second, &mut first] {
        process.signal("TERM");
        assert_eq!(process.exit_code().await, 0, "{}", process.errors());
    }
}
