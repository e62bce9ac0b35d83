//! What messages can put into the log of a service: a few short lines, each on its own.

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tests::{Logs, envelope};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Order {
    name: String,
}

#[subscribe(retry = 3, backoff = "1ms..1ms")]
async fn order(order: Order) -> Result<(), String> {
    Err(format!("there is no {}", order.name))
}

#[subscribe("rooms/{number}")]
async fn room(number: u32) {
    drop(number.to_string());
}

/// Says that it was logged by somebody else, turns the text around, and clears the screen.
const FORGED: &str = r"x\nERROR forged\r\u202e\u001b[2J";

#[tokio::test]
async fn messages_that_fail_or_are_refused_fill_no_log_and_forge_no_line() {
    let logs = Logs::of_this_process();
    let app = App::bare(TestApp::config().max_packet_size(1 << 20));
    let app = TestApp::start(app.handler::<order>().handler::<room>()).await.unwrap();
    let long = "y".repeat(20_000);
    for number in 0..200 {
        let id = format!("{FORGED}{number}{long}");
        let data = format!(r#"{{"name":"{FORGED}{long}"}}"#);
        app.deliver_message("order", envelope("order", &id, &data)).await;
        app.deliver_message("order", envelope(&format!("{FORGED}{long}"), &id, &data)).await;
        let unknown = format!(r#"{{"name":"a","{FORGED}{long}":1}}"#);
        app.deliver_message("order", envelope("order", &id, &unknown)).await;
        app.deliver_message("order", format!("garbage\n{long}")).await;
        app.deliver_message(format!("rooms/{number}x\u{202e}{}", "z".repeat(2000)), "").await;
    }
    for (message, most) in [
        ("a handler failed and tries again", 30),
        ("a handler failed: ", 30),
        ("a message was refused: ", 60),
    ] {
        let lines = logs.count(&[message]);
        assert!((1..=most).contains(&lines), "{message}: {lines} lines");
    }
    assert!(logs.contain(&[r"there is no x\nERROR forged\r\u{202e}\u{1b}[2J"]));
    for part in ["\n", "\r", "\u{202e}", "\u{1b}", &"y".repeat(201), &"z".repeat(201)] {
        assert!(!logs.contain(&[part]), "{part:?}");
    }
    app.stop().await.unwrap();
}
