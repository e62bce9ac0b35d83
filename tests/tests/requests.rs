//! A request is answered by the right answer, whatever else comes first.

use std::time::{Duration, Instant};

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{DeadLetter, Error};
use tests::{Broker, Logs, Spy, envelope, eventually, json, on_each_broker, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Ask {
    room: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "answers")]
struct Progress {
    percent: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
#[event(topic = "answers")]
struct Done {
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "rooms/{room}/done")]
struct DoneIn {
    room: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(bare)]
struct Bare {}

#[derive(Debug, Serialize, Deserialize, Event)]
#[event(topic = "ask")]
struct Echo {
    room: String,
}

#[subscribe]
async fn work(ask: Ask) -> (Replies<impl Stream<Item = Progress> + Send>, Done, DoneIn, Echo) {
    let progress = stream::iter([10, 50, 90]);
    let progress = futures_util::StreamExt::map(progress, |percent| Progress { percent });
    let (text, room) = ("done".to_owned(), ask.room.clone());
    (Replies(progress), Done { text }, DoneIn { room }, Echo { room: ask.room })
}

async fn worker(broker: &Broker) -> tars_mqtt::Running {
    App::bare(broker.config("worker")).handler::<work>().start().await.unwrap()
}

fn kitchen() -> Ask {
    Ask { room: "kitchen".to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_the_first_event_of_its_type_behind_others_on_the_same_topic() {
    on_each_broker(|broker| async move {
        let service = worker(&broker).await;
        let client = Client::connect(broker.config("client")).await.unwrap();
        let done: Envelope<Done> = client.request(&kitchen()).await.unwrap();
        assert_eq!(done.data.text, "done");
        let progress: Envelope<Progress> = client.request(&kitchen()).await.unwrap();
        assert_eq!(progress.data.percent, 10);
        let done_in: Envelope<DoneIn> = client.request(&kitchen()).await.unwrap();
        assert_eq!(done_in.data.room, "kitchen");
        let echo: Envelope<Echo> = client.request(&kitchen()).await.unwrap();
        assert_eq!(echo.data.room, "kitchen");
        client.shutdown().await.unwrap();
        service.stop().await.unwrap();
    })
    .await;
}

/// Everything with the right id that is not the answer.
fn forged(id: &str) -> Vec<String> {
    vec![
        envelope("progress", id, r#"{"percent":1}"#),
        envelope("done", id, r#"{"text":1}"#),
        envelope("done", id, r#"{"text":"x","more":1}"#),
        envelope(r"done\nERROR a forged line", id, "{}"),
        envelope("done", id, "[]"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_behind_whatever_is_not_its_answer() {
    on_each_broker(|broker| async move {
        let logs = Logs::of_this_process();
        let client = Client::connect(broker.config("client")).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["ask"]).await;
        let ask = kitchen();
        let asked = client.request::<_, Done>(&ask);
        let answering = async {
            let id = json(&spy.next().await)["id"].as_str().unwrap().to_owned();
            spy.publish("answers", "garbage").await;
            for _ in 0..100 {
                for answer in forged(&id) {
                    spy.publish("answers", answer).await;
                }
            }
            spy.publish("answers", envelope("done", &id, r#"{"text":"right"}"#)).await;
            spy.publish("answers", envelope("done", &id, r#"{"text":"late"}"#)).await;
        };
        let (answer, ()) = tokio::join!(asked, answering);
        assert_eq!(answer.unwrap().data.text, "right");
        // Those of other tests that run beside this one are among them.
        let lines = logs.count(&["an answer was passed over"]);
        assert!((1..=60).contains(&lines), "{lines} lines");
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_the_right_answer_says_what_was_passed_over() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("client")).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["ask"]).await;
        let ask = kitchen();
        let limit = Duration::from_secs(1);
        let asked = client.request::<_, Done>(&ask).timeout(limit);
        let answering = async {
            let id = json(&spy.next().await)["id"].as_str().unwrap().to_owned();
            for answer in &forged(&id)[..4] {
                spy.publish("answers", answer.clone()).await;
            }
        };
        let (answer, ()) = tokio::join!(asked, answering);
        let error = answer.unwrap_err();
        assert!(matches!(error, Error::Answer(_)), "{error}");
        let error = error.to_string();
        assert!(error.contains("within 1s") && error.contains("passed over: 4"), "{error}");
        assert!(error.contains(r"`done\nERROR a forged line`"), "{error}");
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_say_who_is_to_answer() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("client")).await.unwrap();
        let mut spy = Spy::on(broker.port(), &["ask"]).await;
        let ask = kitchen();
        let asked = client.request::<_, Done>(&ask).from("worker");
        let answering = async {
            let id = json(&spy.next().await)["id"].as_str().unwrap().to_owned();
            let right = envelope("done", &id, r#"{"text":"right"}"#);
            spy.publish("answers", right.replace("right", "forged")).await;
            spy.publish("answers", right.replace(r#""tests""#, r#""worker""#)).await;
        };
        let (answer, ()) = tokio::join!(asked, answering);
        assert_eq!(answer.unwrap().data.text, "right");
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_known_is_an_error_at_once() {
    on_each_broker(|broker| async move {
        let client = Client::connect(broker.config("client")).await.unwrap();
        let begun = Instant::now();
        let bare = client.request::<_, Bare>(&kitchen()).await.unwrap_err();
        assert!(bare.to_string().contains("`bare` is declared bare"), "{bare}");
        let everything = client.request::<_, DeadLetter>(&kitchen()).await.unwrap_err();
        assert!(everything.to_string().contains("no topic of its own"), "{everything}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        client.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_in_a_subscription_fills_no_log() {
    on_each_broker(|broker| async move {
        let logs = Logs::of_this_process();
        let client = Client::connect(broker.config("client")).await.unwrap();
        let mut done = client.subscribe::<Done>("answers").await.unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        let passed_over = "a message was passed over in a subscription";
        let before = logs.count(&[passed_over]);
        for _ in 0..50 {
            for garbage in ["\u{202e}\n{", &envelope(r"x\r\n\u001b[2J", "1", "{}")] {
                spy.publish("answers", garbage).await;
            }
            spy.publish("answers", envelope(&"y".repeat(10_000), "1", "{}")).await;
        }
        spy.publish("answers", envelope("done", "1", r#"{"text":"right"}"#)).await;
        assert_eq!(within("the good one", done.next()).await.unwrap().data.text, "right");
        eventually("it is said", || logs.contain(&[passed_over, r"x\r\n\u{1b}[2J"])).await;
        // Those of other tests that run beside this one are among them.
        let lines = logs.count(&[passed_over]) - before;
        assert!(lines <= 30, "{lines} lines");
        assert!(!logs.contain(&[passed_over, &"y".repeat(300)]));
        drop(done);
        client.shutdown().await.unwrap();
    })
    .await;
}

/// Panics over some of what it reads.
#[derive(Debug, Event)]
struct Fragile(String);

impl<'de> Deserialize<'de> for Fragile {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Plain {
            text: String,
        }
        let Plain { text } = Plain::deserialize(from)?;
        assert_ne!(text, "panic", "it cannot be read");
        Ok(Self(text))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_panics_when_it_is_read_ends_no_stream() {
    on_each_broker(|broker| async move {
        let logs = Logs::of_this_process();
        let client = Client::connect(broker.config("client")).await.unwrap();
        let mut events = client.subscribe::<Fragile>("fragile").await.unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        for text in ["panic", "fine"] {
            let data = format!(r#"{{"text":"{text}"}}"#);
            spy.publish("fragile", envelope("fragile", "1", &data)).await;
        }
        let next = within("the one that can be read", events.next()).await.unwrap();
        assert_eq!(next.data.0, "fine");
        assert!(logs.contain(&["reading it panicked: ", "it cannot be read"]));
        drop(events);
        client.shutdown().await.unwrap();
    })
    .await;
}
