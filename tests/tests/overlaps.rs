//! Handlers whose filters overlap, and filters that nobody handles any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use rumqttc::Packet;
use tars_mqtt::Direction;
use tars_mqtt::prelude::*;
use tests::{
    Feature, Logs, Spy, eventually, on_each_broker, on_each_broker_with, unique_id, within,
};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<String, u32>>>);

impl Seen {
    fn add(&self, handler: &str, what: &str) {
        *self.0.lock().unwrap().entry(format!("{handler} {what}")).or_default() += 1;
    }

    fn all(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap().clone()
    }

    fn sum(&self) -> u32 {
        self.all().values().sum()
    }
}

#[subscribe("a/+/c")]
async fn middle(what: String, State(seen): State<Seen>) {
    seen.add("middle", &what);
}

#[subscribe("a/b/+")]
async fn last(what: String, State(seen): State<Seen>) {
    seen.add("last", &what);
}

#[subscribe("+/b/c", qos = 2)]
async fn first(what: String, State(seen): State<Seen>) {
    seen.add("first", &what);
}

#[subscribe("a/b/c")]
async fn exact(what: String, State(seen): State<Seen>) {
    seen.add("exact", &what);
}

#[subscribe("a/b/c", qos = 0)]
async fn exact_too(what: String, State(seen): State<Seen>) {
    seen.add("exact too", &what);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_handler_of_overlapping_filters_runs_once_for_each_message() {
    on_each_broker(|broker| async move {
        let seen = Seen::default();
        let service = App::bare(broker.config("overlaps"))
            .handler::<middle>()
            .handler::<last>()
            .handler::<first>()
            .handler::<exact>()
            .handler::<exact_too>()
            .state(seen.clone())
            .start()
            .await
            .unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        for number in 0..100 {
            let qos = [rumqttc::QoS::AtMostOnce, rumqttc::QoS::AtLeastOnce][number % 2];
            spy.publish_as("a/b/c", number.to_string(), qos, false).await;
        }
        spy.publish("a/b/x", "end").await;
        spy.publish("a/x/c", "end").await;
        spy.publish("x/b/c", "end").await;
        eventually("all have come", || seen.sum() >= 503).await;
        service.stop().await.unwrap();
        let all = seen.all();
        assert!(all.values().all(|&count| count == 1), "{all:?}");
        assert_eq!(all.len(), 503);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_retained_comes_once_to_each_of_them() {
    on_each_broker_with(&[Feature::RetainedForWildcards], |broker| async move {
        let spy = Spy::on(broker.port(), &["a/#"]).await;
        spy.publish_as("a/b/c", "kept", rumqttc::QoS::AtLeastOnce, true).await;
        let seen = Seen::default();
        let app = App::bare(broker.config("retained"))
            .handler::<middle>()
            .handler::<last>()
            .handler::<exact>()
            .state(seen.clone());
        let service = app.start().await.unwrap();
        spy.publish("a/b/x", "end").await;
        eventually("the end has come", || seen.all().contains_key("last end")).await;
        service.stop().await.unwrap();
        let all: Vec<(String, u32)> = seen.all().into_iter().collect();
        let expected = ["exact kept", "last end", "last kept", "middle kept"];
        assert_eq!(all, expected.map(|text| (text.to_owned(), 1)));
        // Leaves nothing to the tests that follow on the same broker.
        let client = Client::connect(broker.config("forget")).await.unwrap();
        let forget = client.message("a/b/c").retain(true).send().await.unwrap();
        forget.delivered().await.unwrap();
        client.shutdown().await.unwrap();
    })
    .await;
}

#[subscribe("old/{name}")]
async fn old(name: String, State(seen): State<Seen>) {
    seen.add("old", &name);
}

#[subscribe("kept")]
async fn kept(what: String, State(seen): State<Seen>) {
    seen.add("kept", &what);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_left_by_an_earlier_version_is_given_up_and_never_eats_the_window() {
    let logs = Logs::of_this_process();
    on_each_broker(|broker| {
        let logs = logs.clone();
        async move {
            let id = unique_id("versions");
            let config = || Config::new(broker.url(), id.clone()).unwrap();
            let seen = Seen::default();
            let before = App::bare(config()).handler::<old>().handler::<kept>();
            before.state(seen.clone()).start().await.unwrap().stop().await.unwrap();
            let spy = Spy::on(broker.port(), &["#"]).await;
            for number in 0..200 {
                spy.publish(&format!("old/{number}"), "x").await;
            }
            spy.publish("kept", "while down").await;
            let warned = logs.count(&["ERROR", "no handler takes", "old/"]);

            let after = App::bare(config()).handler::<kept>().state(seen.clone());
            let service = after.start().await.unwrap();
            eventually("what came meanwhile is handled", || {
                seen.all().contains_key("kept while down")
            })
            .await;
            assert_eq!(seen.all().len(), 1, "the old handler is gone");
            let lines = logs.count(&["ERROR", "no handler takes", "old/"]) - warned;
            assert!((1..=10).contains(&lines), "{lines}");

            if !broker.claims(Feature::UnsubscribesFromEarlier) {
                service.stop().await.unwrap();
                return;
            }
            // Unsubscribed: nothing of it comes any more.
            let mut traffic = service.client().rumqttc().watch();
            spy.publish("old/again", "x").await;
            spy.publish("kept", "after").await;
            loop {
                let seen = within("a message", traffic.recv()).await.unwrap();
                if let (Direction::Incoming, Packet::Publish(publish)) =
                    (seen.direction, seen.packet)
                {
                    assert_eq!(publish.topic, "kept");
                    break;
                }
            }
            service.stop().await.unwrap();
        }
    })
    .await;
}

#[subscribe("{topic..}", qos = 1)]
async fn everything(topic: String, State(seen): State<Seen>) {
    seen.add("everything", &topic);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_for_everything_takes_dots_and_leaves_out_what_begins_with_a_dollar() {
    on_each_broker_with(&[Feature::AnyTopic], |broker| async move {
        let seen = Seen::default();
        let service = App::bare(broker.config("all")).handler::<everything>().state(seen.clone());
        let service = service.start().await.unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        for topic in ["$x/y", "a.b/c", "last"] {
            spy.publish(topic, "x").await;
        }
        eventually("the last one comes", || seen.all().contains_key("everything last")).await;
        let expected = ["everything a.b/c", "everything last"].map(|key| (key.to_owned(), 1));
        assert_eq!(seen.all(), BTreeMap::from(expected));
        service.stop().await.unwrap();
    })
    .await;
}
