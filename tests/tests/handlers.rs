//! What one handler does to the others: nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::DeadLetter;
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tests::{Logs, Spy, eventually, json, on_each_broker};

#[derive(Serialize, Deserialize, Event)]
#[event("flood", topic = "flood/out")]
struct Drop {
    number: u32,
}

#[derive(Clone, Default)]
struct Flooding {
    count: Arc<AtomicUsize>,
    /// It has gone on for long enough.
    over: Arc<AtomicBool>,
}

#[subscribe("flood/in", timeout = "off")]
async fn floods(State(flooding): State<Flooding>) -> Replies<impl Stream<Item = Drop> + Send> {
    let over = flooding.over.clone();
    let numbers = (0..).take_while(move |_| !over.load(Ordering::SeqCst));
    Replies(stream::iter(numbers.map(move |number| {
        flooding.count.fetch_add(1, Ordering::SeqCst);
        Drop { number }
    })))
}

#[derive(Serialize, Deserialize, Event)]
struct Ping {
    number: u32,
}

#[derive(Serialize, Deserialize, Event)]
struct Pong {
    number: u32,
}

#[subscribe]
async fn pong(ping: Ping) -> Pong {
    Pong { number: ping.number }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_floods_with_replies_leaves_room_for_others() {
    on_each_broker(|broker| async move {
        let flooding = Flooding::default();
        let service = App::bare(broker.config("flood"))
            .handler::<floods>()
            .handler::<pong>()
            .state(flooding.clone())
            .start()
            .await
            .unwrap();
        let client = Client::connect(broker.config("asker")).await.unwrap();
        let _ = client.message("flood/in").send().await.unwrap();
        let count = || flooding.count.load(Ordering::SeqCst);
        eventually("the flood has begun", || count() > 0).await;
        // As many as the broker sends before the flood's message is acknowledged.
        for number in 0..15 {
            let answer: Envelope<Pong> = client.request(&Ping { number }).await.unwrap();
            assert_eq!(answer.data.number, number);
        }
        let so_far = count();
        eventually("the flood goes on", || count() > so_far).await;
        flooding.over.store(true, Ordering::SeqCst);
        client.shutdown().await.unwrap();
        service.stop().await.unwrap();
    })
    .await;
}

#[subscribe("unlucky", retry = 10, backoff = "200ms..300ms", dead_letter = "dead/unlucky")]
async fn unlucky() -> Result<(), String> {
    Err("never".to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_tries_again_and_again_does_not_starve_another() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("retry"))
            .handler::<unlucky>()
            .handler::<pong>()
            .start()
            .await
            .unwrap();
        let mut spy = Spy::on(broker.port(), &["pong", "dead/unlucky"]).await;
        spy.publish("unlucky", "").await;
        // As many as the broker sends before the first is acknowledged.
        for number in 0..15 {
            let data = format!(r#"{{"number":{number}}}"#);
            spy.publish("ping", tests::envelope("ping", "1", &data)).await;
        }
        for number in 0..15 {
            let pong = spy.next().await;
            assert_eq!(pong.topic, "pong", "given up before the other was answered");
            assert_eq!(json(&pong)["data"]["number"], number);
        }
        assert_eq!(json(&spy.next().await)["data"]["attempts"], 11);
        service.stop().await.unwrap();
    })
    .await;
}

#[derive(Serialize, Deserialize, Event)]
#[event("garbage", topic = "garbage/{name}")]
struct Garbage {
    name: String,
    payload: String,
}

#[derive(Serialize, Deserialize, Event)]
struct Shapeless(Vec<u8>);

#[subscribe("garbage/in", dead_letter = "dead/garbage")]
async fn garbage(what: String) -> (Option<Garbage>, Option<Shapeless>) {
    let reply =
        |name: &str, len| (Some(Garbage { name: name.to_owned(), payload: "x".repeat(len) }), None);
    match what.as_str() {
        "too large" => reply("fine", 5_000_000),
        "bad topic" => reply("a/+/#", 1),
        "no object" => (None, Some(Shapeless(vec![1]))),
        _ => reply("fine", 1),
    }
}

#[tokio::test]
async fn a_reply_that_cannot_be_sent_is_the_failure_of_its_handler_alone() {
    let app = TestApp::start(App::bare(TestApp::config()).handler::<garbage>()).await.unwrap();
    for (what, reason) in [
        ("too large", "over the limit"),
        ("bad topic", "cannot stand for {name}"),
        ("no object", "an envelope carries a JSON object"),
    ] {
        app.deliver_message("garbage/in", what).await;
        let letters = app.published::<DeadLetter>();
        let found = &letters.last().unwrap().data.reason;
        assert!(found.contains(reason), "{reason}: {found}");
    }
    app.deliver_message("garbage/in", "fine").await;
    assert_eq!(app.published::<Garbage>().len(), 1);
    app.stop().await.unwrap();
}

#[subscribe("stuck", timeout = "off")]
async fn stuck() {
    std::future::pending::<()>().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_holds_up_the_others_for_ten_seconds_is_named() {
    let logs = Logs::of_this_process();
    let app = App::bare(TestApp::config()).handler::<stuck>().handler::<garbage>();
    let app = Arc::new(TestApp::start(app).await.unwrap());
    let delivering = app.clone();
    let waiting = tokio::spawn(async move { delivering.deliver_message("stuck", "x").await });
    let begun = tokio::time::Instant::now();
    eventually("it is named", || {
        logs.contain(&["WARN", "holds up those behind it", "::stuck", "topic=\"stuck\""])
    })
    .await;
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
    waiting.abort();
}

#[subscribe("slow/{n}", concurrency = 4)]
async fn sleeps(n: u32) {
    let _ = n;
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_sleeps_delays_no_other_at_qos_0() {
    on_each_broker(|broker| async move {
        let config = broker.config("sleeper").shutdown_timeout(Duration::from_millis(500));
        let app = App::bare(config).handler::<sleeps>().handler::<pong>();
        let service = app.start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["pong"]).await;
        for number in 0..1_000 {
            let topic = format!("slow/{number}");
            spy.publish_as(&topic, "", rumqttc::QoS::AtMostOnce, false).await;
        }
        let since = Instant::now();
        for number in 0..50 {
            let data = format!(r#"{{"number":{number}}}"#);
            spy.publish("ping", tests::envelope("ping", "1", &data)).await;
        }
        for number in 0..50 {
            assert_eq!(json(&spy.next().await)["data"]["number"], number);
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{:?}", since.elapsed());
        service.stop().await.unwrap();
    })
    .await;
}
