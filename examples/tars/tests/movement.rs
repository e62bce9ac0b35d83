//! The movements, as the servos and those who ask see them.

#![allow(clippy::unwrap_used)]

use std::time::Instant;

use serde_json::{Value, json};
use tars_mqtt::Running;
use tars_mqtt::prelude::*;
use tests::{Broker, Spy, envelope, json, on_each_broker};

async fn start(broker: &Broker) -> Running {
    let app = App::new(broker.config("movement"));
    tars::movement::service(app).unwrap().start().await.unwrap()
}

fn command(id: &str, command: &str) -> String {
    let data = json!({"id": id, "command": command});
    envelope("movement.command", &format!("envelope-{id}"), &data.to_string())
}

/// The same, ten times as slow: so that it is under way for long enough on a busy machine too.
fn slow(id: &str, command: &str) -> String {
    let data = json!({"id": id, "command": command, "params": {"speed": 0.1}});
    envelope("movement.command", &format!("envelope-{id}"), &data.to_string())
}

fn test(id: &str, data: &Value) -> String {
    envelope("movement.test", id, &data.to_string())
}

/// The next status that is about an event of this kind.
async fn status(spy: &mut Spy, event: &str) -> Value {
    loop {
        let status = json(&spy.next().await);
        if status["data"]["event"] == event {
            return status;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_becomes_frames_in_sequence_and_in_time() {
    on_each_broker(|broker| async move {
        let service = start(&broker).await;
        let mut frames = Spy::on(broker.port(), &["movement/frame"]).await;
        let mut states = Spy::on(broker.port(), &["movement/state"]).await;
        let begin = Instant::now();
        frames.publish("movement/command", command("c1", "laugh")).await;
        let mut duration = 0;
        let mut last: Option<Value> = None;
        let mut number = 0;
        loop {
            let frame = json(&frames.next().await);
            assert_eq!((&frame["id"], &frame["data"]["id"]), (&json!("envelope-c1"), &json!("c1")));
            let data = frame["data"].clone();
            assert_eq!((&data["seq"], &data["disable_after"]), (&json!(number), &json!(false)));
            assert_eq!(data["channels"].as_object().unwrap().len(), 9);
            if let Some(last) = &last {
                let lift = |frame: &Value| frame["channels"]["0"].as_i64().unwrap();
                assert!((lift(&data) - lift(last)).abs() <= 120, "no frame jumps: {data} {last}");
            }
            duration += data["duration_ms"].as_u64().unwrap() + data["hold_ms"].as_u64().unwrap();
            number += 1;
            if data["done"] == true {
                assert_eq!(data["total"], number);
                break;
            }
            last = Some(data);
        }
        assert_eq!(status(&mut states, "started").await["data"]["id"], "c1");
        for number in 0..number {
            assert_eq!(json(&states.next().await)["data"]["seq"], number);
        }
        assert_eq!(json(&states.next().await)["data"]["event"], "completed");
        let elapsed = u64::try_from(begin.elapsed().as_millis()).unwrap();
        assert!(elapsed >= duration, "{elapsed} ms for a movement of {duration} ms");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_movement_that_people_ask_for_is_told_in_the_large() {
    on_each_broker(|broker| async move {
        let mut statuses = Spy::on(broker.port(), &["movement/status"]).await;
        let service = start(&broker).await;
        assert_eq!(json(&statuses.next().await)["data"]["event"], "connected");
        let laugh = json!({"command": "laugh", "request_id": "u1"});
        statuses.publish("movement/test", test("t1", &laugh)).await;
        for event in ["command_started", "command_completed"] {
            let status = json(&statuses.next().await);
            assert_eq!(status["id"], "t1");
            let told = (&status["data"]["event"], &status["data"]["command"]);
            assert_eq!(told, (&json!(event), &json!("laugh")));
            assert_eq!(status["data"]["request_id"], "u1");
        }
        let wrong = json!({"command": "move_arm", "params": {"tail": 3}, "request_id": "u2"});
        statuses.publish("movement/test", test("t2", &wrong)).await;
        let failed = status(&mut statuses, "command_failed").await;
        assert_eq!((&failed["id"], &failed["data"]["request_id"]), (&json!("t2"), &json!("u2")));
        let detail = failed["data"]["detail"].as_str().unwrap();
        assert!(detail.starts_with("there is no servo `tail`"), "{detail}");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_cuts_in_at_once_and_no_frame_follows_it() {
    on_each_broker(|broker| async move {
        let service = start(&broker).await;
        let mut frames = Spy::on(broker.port(), &["movement/frame"]).await;
        let mut statuses = Spy::on(broker.port(), &["movement/status"]).await;
        let mut states = Spy::on(broker.port(), &["movement/state"]).await;
        let stop = envelope("movement.stop", "s1", r#"{"reason": "cat in the way"}"#);
        let stop_in_short = json!({"command": "stop", "request_id": "u1"});
        for (number, (topic, stop)) in [
            ("movement/stop", stop),
            ("movement/stop", "{}".to_owned()),
            ("movement/test", test("s3", &stop_in_short)),
        ]
        .into_iter()
        .enumerate()
        {
            let (under_way, waiting) = (format!("a{number}"), format!("b{number}"));
            let after = format!("c{number}");
            frames.publish("movement/command", slow(&under_way, "bow")).await;
            frames.publish("movement/command", command(&waiting, "laugh")).await;
            // Refused, which tells that those before it have been taken in.
            let refused = json!({"id": "r", "command": "bow", "params": {"speed": 9}});
            let refused = envelope("movement.command", &format!("r{number}"), &refused.to_string());
            frames.publish("movement/command", refused).await;
            assert_eq!(status(&mut states, "failed").await["data"]["id"], "r");
            let first = json(&frames.next().await)["data"].clone();
            assert_eq!((&first["id"], &first["seq"]), (&json!(under_way), &json!(0)));
            let mut seen = 0;
            frames.publish(topic, stop).await;
            let stopped = status(&mut statuses, "emergency_stop").await;
            match number {
                0 => {
                    assert_eq!(stopped["id"], "s1");
                    assert_eq!(stopped["data"]["detail"], "cat in the way");
                }
                1 => assert_eq!(stopped["data"]["detail"], Value::Null),
                _ => assert_eq!(stopped["data"]["request_id"], "u1"),
            }
            frames.publish("movement/command", command(&after, "disable")).await;
            let last = loop {
                let frame = json(&frames.next().await)["data"].clone();
                if frame["id"] == after {
                    break frame;
                }
                assert_eq!((&frame["id"], &frame["done"]), (&json!(under_way), &json!(false)));
                seen += 1;
            };
            assert!(seen < first["total"].as_i64().unwrap() / 2, "it was cut off: {seen}");
            assert_eq!((&last["disable_after"], &last["total"]), (&json!(true), &json!(1)));
            let mut cancelled = Vec::new();
            while cancelled.len() < 2 {
                cancelled.push(status(&mut states, "cancelled").await["data"]["id"].clone());
            }
            assert_eq!(cancelled, [under_way, waiting]);
            status(&mut states, "completed").await;
        }
        assert!(frames.rest().is_empty(), "no frame follows a stop");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_can_wait_is_refused() {
    on_each_broker(|broker| async move {
        let service = start(&broker).await;
        let mut statuses = Spy::on(broker.port(), &["movement/status"]).await;
        let bow = |id: &str| test(id, &json!({"command": "bow", "speed": 0.1, "request_id": id}));
        for number in 0..=tars::movement::WAITING + 1 {
            statuses.publish("movement/test", bow(&format!("u{number}"))).await;
        }
        let full = status(&mut statuses, "queue_full").await;
        assert_eq!(full["data"]["command"], "bow");
        assert_eq!(full["data"]["detail"], "16 movements wait already");
        statuses.publish("movement/stop", "{}").await;
        status(&mut statuses, "emergency_stop").await;
        service.stop().await.unwrap();
    })
    .await;
}
