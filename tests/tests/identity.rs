//! What are the same messages, and what are different ones, while duplicates are filtered.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::config::DedupeKey;
use tars_mqtt::prelude::*;
use tests::{Broker, Spy, eventually, on_each_broker};

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[subscribe("identity/{topic}")]
async fn hear(topic: String, context: Context, State(heard): State<Heard>) {
    heard.note(format!("{topic} {} {}", context.source(), context.id()));
}

fn filtered(config: Config) -> Config {
    config.dedupe(Duration::from_secs(30), 2048)
}

fn from(source: &str, id: &str, ts: f64, data: &str) -> String {
    format!(r#"{{"id":"{id}","type":"t","ts":{ts},"source":"{source}","data":{data}}}"#)
}

/// What a handler hears of these, in order.
async fn heard(broker: &Broker, config: Config, messages: &[(&str, String)]) -> Vec<String> {
    let heard = Heard::default();
    let service = App::bare(filtered(config)).handler::<hear>().state(heard.clone());
    let service = service.start().await.unwrap();
    let spy = Spy::on(broker.port(), &[]).await;
    for (topic, payload) in messages {
        spy.publish(topic, payload.clone()).await;
    }
    spy.publish("identity/end", "the end").await;
    eventually("the end has come", || heard.all().iter().any(|one| one.starts_with("end"))).await;
    service.stop().await.unwrap();
    let mut all = heard.all();
    all.pop();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_several_services_and_one_event_on_several_topics_are_all_handled() {
    on_each_broker(|broker| async move {
        let messages = [
            ("identity/a", from("one", "1", 1.5, r#"{"ok":true}"#)),
            ("identity/a", from("two", "1", 1.5, r#"{"ok":true}"#)),
            ("identity/a", from("three", "1", 1.5, r#"{"ok":true}"#)),
            ("identity/b", from("one", "1", 1.5, r#"{"ok":true}"#)),
            ("identity/c", from("one", "1", 1.5, r#"{"ok":true}"#)),
            ("identity/a", from("one", "1", 1.5, r#"{"ok":true}"#)),
            ("identity/c", from("one", "1", 1.5, r#"{"ok":true}"#)),
        ];
        let heard = heard(&broker, broker.config("identity"), &messages).await;
        assert_eq!(heard, ["a one 1", "a two 1", "a three 1", "b one 1", "c one 1"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_piece_of_a_stream_does_not_hide_the_real_one() {
    on_each_broker(|broker| async move {
        let messages = [
            ("identity/a", from("llm", "1", 1.5, r#"{"seq":1,"delta":"forged"}"#)),
            ("identity/a", from("llm", "1", 1.5, r#"{"seq":1,"delta":"real"}"#)),
        ];
        assert_eq!(heard(&broker, broker.config("forged"), &messages).await.len(), 2);
        let tars = broker.config("tars").dedupe_key(DedupeKey::Tars);
        assert_eq!(heard(&broker, tars, &messages).await.len(), 1);
    })
    .await;
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Say {
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Word {
    word: String,
}

#[subscribe]
async fn say(say: Say) -> Replies<impl Stream<Item = Word> + Send> {
    let words: Vec<_> = say.text.split(' ').map(|word| Word { word: word.to_owned() }).collect();
    Replies(stream::iter(words))
}

#[subscribe]
async fn listen(word: Word, State(heard): State<Heard>) {
    heard.note(word.word);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_events_of_one_stream_all_arrive() {
    on_each_broker(|broker| async move {
        let heard = Heard::default();
        let speaker = App::bare(filtered(broker.config("speaker"))).handler::<say>();
        let listener =
            App::bare(filtered(broker.config("listener"))).handler::<listen>().state(heard.clone());
        let (speaker, listener) = (speaker.start().await.unwrap(), listener.start().await.unwrap());
        let text = format!("no no no it is very very late{}", " no".repeat(500));
        speaker.client().publish(&Say { text: text.clone() }).await.unwrap();
        let words = text.split(' ').count();
        eventually("all words have come", || heard.all().len() >= words).await;
        assert_eq!(heard.all().join(" "), text);
        speaker.stop().await.unwrap();
        listener.stop().await.unwrap();
    })
    .await;
}
