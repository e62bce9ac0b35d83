//! A whole service, as its users and its neighbours see it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use tars_mqtt::config::DedupeKey;
use tars_mqtt::prelude::*;
use tars_mqtt::{BoxError, DeadLetter, HealthStatus};
use tests::{
    Feature, Spy, envelope, eventually, json, on_each_broker, on_each_broker_with, within,
};

#[derive(Debug, Serialize, Deserialize, Event)]
struct LlmRequest {
    id: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct LlmResponse {
    id: String,
    reply: String,
}

fn request(id: &str, text: &str) -> String {
    envelope("llm.request", id, &format!(r#"{{"id":"{id}","text":"{text}"}}"#))
}

#[subscribe("llm/request")]
async fn answer(request: LlmRequest) -> LlmResponse {
    LlmResponse { id: request.id, reply: request.text.to_uppercase() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_is_answered_with_its_own_id() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("answer")).handler::<answer>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["llm/response"]).await;
        for number in 0..200 {
            spy.publish("llm/request", request(&format!("id-{number}"), "hello")).await;
        }
        for number in 0..200 {
            let response = json(&spy.next().await);
            assert_eq!(response["id"], format!("id-{number}"));
            assert_eq!(response["type"], "llm.response");
            assert_eq!(response["data"]["reply"], "HELLO");
            assert_eq!(response.as_object().unwrap().len(), 5);
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_retained_and_tells_of_the_start_and_the_end() {
    on_each_broker(|broker| async move {
        let config = broker.config("health").health(true);
        let topic = format!("system/health/{}", config.client_id());
        let service = App::bare(config).handler::<answer>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &[&topic]).await;
        assert_eq!(json(&spy.next().await)["data"]["event"], "ready");
        let ready = Spy::on(broker.port(), &[&topic]).await.next().await;
        assert!(ready.retain, "a later subscriber is told");
        assert_eq!(json(&ready)["data"]["event"], "ready");
        assert_eq!(json(&ready)["data"]["ok"], true);
        assert_eq!(json(&ready)["type"], "health.status");

        let client = service.client();
        client.health().failing("database unreachable").await.unwrap();
        let failing = json(&spy.next().await);
        assert_eq!(failing["data"]["ok"], false);
        assert_eq!(failing["data"]["err"], "database unreachable");
        client.health().ok("recovered").await.unwrap();
        assert_eq!(json(&spy.next().await)["data"]["event"], "recovered");

        service.stop().await.unwrap();
        let end = json(&spy.next().await);
        assert_eq!(
            (&end["data"]["ok"], &end["data"]["event"]),
            (&false.into(), &"shutdown".into())
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_will_tells_of_a_service_that_vanishes() {
    on_each_broker(|broker| async move {
        let relay = tests::Relay::to(broker.port()).await;
        let config = Config::new(relay.url(), tests::unique_id("will")).unwrap().health(true);
        let topic = format!("system/health/{}", config.client_id());
        let mut spy = Spy::on(broker.port(), &[&topic]).await;
        let service = App::bare(config).handler::<answer>().start().await.unwrap();
        assert_eq!(json(&spy.next().await)["data"]["event"], "ready");
        relay.close();
        let offline = json(&spy.next().await);
        assert_eq!(offline["data"]["event"], "offline");
        assert_eq!(offline["data"]["ok"], false);
        relay.open();
        assert_eq!(json(&spy.next().await)["data"]["event"], "reconnected");
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_come_at_their_interval_and_are_bare() {
    on_each_broker(|broker| async move {
        let config = broker.config("beat").heartbeat(Some(Duration::from_secs(1)));
        let topic = format!("system/keepalive/{}", config.client_id());
        let mut spy = Spy::on(broker.port(), &[&topic]).await;
        let service = App::bare(config).handler::<answer>().start().await.unwrap();
        for _ in 0..2 {
            let beat = spy.next().await;
            assert!(!beat.retain);
            let beat = json(&beat);
            assert_eq!((&beat["ok"], &beat["event"]), (&true.into(), &"heartbeat".into()));
            assert!(beat["timestamp"].is_f64());
            assert_eq!(beat.as_object().unwrap().len(), 3);
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn push(&self, text: impl Into<String>) {
        self.0.lock().unwrap().push(text.into());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

#[subscribe("rooms/{room}/{floor}/temperature")]
async fn by_room(floor: u8, room: String, State(seen): State<Seen>, Json(celsius): Json<f64>) {
    seen.push(format!("{room} {floor} {celsius}"));
}

#[subscribe("rooms/{rest..}")]
async fn rest_of_the_topic(rest: String, State(seen): State<Seen>) {
    seen.push(format!("rest {rest}"));
}

#[subscribe("rooms/kitchen/1/temperature")]
async fn raw(message: Message, context: Context, State(seen): State<Seen>) {
    seen.push(format!("raw {:?} {}", message.payload(), context.topic()));
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_handlers_each_run_once_with_their_parameters() {
    on_each_broker(|broker| async move {
        let seen = Seen::default();
        let service = App::bare(broker.config("rooms"))
            .handler::<by_room>()
            .handler::<rest_of_the_topic>()
            .handler::<raw>()
            .state(seen.clone())
            .start()
            .await
            .unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        spy.publish("rooms/kitchen/1/temperature", "20.5").await;
        spy.publish("rooms/end", "").await;
        eventually("the end has come", || seen.all().contains(&"rest end".to_owned())).await;
        service.stop().await.unwrap();
        let mut all = seen.all();
        all.sort();
        assert_eq!(
            all,
            [
                "kitchen 1 20.5",
                "raw b\"20.5\" rooms/kitchen/1/temperature",
                "rest end",
                "rest kitchen/1/temperature",
            ]
        );
    })
    .await;
}

#[derive(Serialize, Deserialize, Event)]
#[event("many", topic = "many/in")]
struct Many {
    count: u32,
}

#[derive(Serialize, Deserialize, Event)]
#[event("one", topic = "many/out")]
struct One {
    seq: u32,
}

#[subscribe]
async fn as_tuple(
    Envelope { data, .. }: Envelope<Many>,
) -> Result<(Option<One>, Vec<One>), BoxError> {
    let rest = (1..data.count).map(|seq| One { seq }).collect();
    Ok(((data.count > 0).then_some(One { seq: 0 }), rest))
}

#[derive(Serialize, Deserialize, Event)]
#[event("stream", topic = "stream/in")]
struct Streamed {
    count: u32,
}

#[subscribe]
async fn as_stream(streamed: Streamed) -> Replies<impl Stream<Item = One> + Send> {
    Replies(stream::iter((0..streamed.count).map(|seq| One { seq })))
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_of_every_shape_are_published_in_order_and_correlated() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("shapes"))
            .handler::<as_tuple>()
            .handler::<as_stream>()
            .start()
            .await
            .unwrap();
        let mut spy = Spy::on(broker.port(), &["many/out"]).await;
        spy.publish("many/in", envelope("many", "a", r#"{"count":3}"#)).await;
        for seq in 0..3 {
            let one = json(&spy.next().await);
            assert_eq!((&one["id"], &one["data"]["seq"]), (&"a".into(), &seq.into()));
        }
        spy.publish("stream/in", envelope("stream", "b", r#"{"count":100}"#)).await;
        for seq in 0..100 {
            let one = json(&spy.next().await);
            assert_eq!((&one["id"], &one["data"]["seq"]), (&"b".into(), &seq.into()));
        }
        service.stop().await.unwrap();
    })
    .await;
}

#[derive(Clone, Default)]
struct Attempts(Arc<AtomicUsize>);

#[subscribe("flaky", retry = 2, backoff = "1ms..5ms", dead_letter = "dead/flaky")]
async fn flaky(
    context: Context,
    payload: String,
    State(attempts): State<Attempts>,
) -> Result<(), String> {
    attempts.0.fetch_add(1, Ordering::SeqCst);
    match payload.as_str() {
        "third time" if context.attempt() == 3 => Ok(()),
        "panic" => panic!("on purpose"),
        _ => Err(format!("not at attempt {}", context.attempt())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_retried_then_buried_then_acknowledged() {
    on_each_broker(|broker| async move {
        let attempts = Attempts::default();
        let service = App::bare(broker.config("flaky"))
            .handler::<flaky>()
            .state(attempts.clone())
            .start()
            .await
            .unwrap();
        let mut spy = Spy::on(broker.port(), &["dead/flaky"]).await;
        spy.publish("flaky", "third time").await;
        eventually("the third attempt", || attempts.0.load(Ordering::SeqCst) == 3).await;
        spy.publish("flaky", "never").await;
        let letter = json(&spy.next().await);
        assert_eq!(letter["type"], "dead.letter");
        let letter: DeadLetter = serde_json::from_value(letter["data"].clone()).unwrap();
        assert_eq!((letter.payload.as_str(), letter.topic.as_str()), ("never", "flaky"));
        assert_eq!((letter.attempts, letter.reason.as_str()), (3, "not at attempt 3"));
        assert!(letter.handler.ends_with("::flaky"), "{}", letter.handler);
        assert_eq!(attempts.0.load(Ordering::SeqCst), 6);
        spy.publish("flaky", "panic").await;
        let letter = json(&spy.next().await);
        assert_eq!(letter["data"]["reason"], "it panicked: on purpose");
        service.stop().await.unwrap();
    })
    .await;
}

#[subscribe("slow", timeout = "50ms", dead_letter = "dead/slow")]
async fn too_slow() {
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_is_given_up_after_its_timeout() {
    on_each_broker(|broker| async move {
        let service = App::bare(broker.config("slow")).handler::<too_slow>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["dead/slow"]).await;
        spy.publish("slow", "x").await;
        let letter = json(&spy.next().await);
        assert_eq!(letter["data"]["reason"], "it did not finish within 50ms");
        service.stop().await.unwrap();
    })
    .await;
}

#[subscribe("count/me")]
async fn count(State(seen): State<Seen>, context: Context) {
    seen.push(context.id());
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_are_filtered_by_type_id_and_sequence_number_or_data_where_that_is_chosen() {
    on_each_broker(|broker| async move {
        let seen = Seen::default();
        let config = broker
            .config("dedupe")
            .dedupe(Duration::from_secs(30), 100)
            .dedupe_key(DedupeKey::Tars);
        let service =
            App::bare(config).handler::<count>().state(seen.clone()).start().await.unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        for (id, data) in [
            ("a", r#"{"x":1}"#),
            ("a", r#"{"x":1}"#),
            ("b", r#"{"x":2}"#),
            ("c", r#"{"seq":1,"x":1}"#),
            ("c", r#"{"seq":1,"x":2}"#),
            ("c", r#"{"seq":2,"x":1}"#),
            ("end", "{}"),
        ] {
            spy.publish("count/me", envelope("t", id, data)).await;
        }
        eventually("the end has come", || seen.all().contains(&"end".to_owned())).await;
        assert_eq!(seen.all(), ["a", "b", "c", "c", "end"]);
        service.stop().await.unwrap();
    })
    .await;
}

#[subscribe("bare/or/not", accept_bare)]
async fn bare_or_not(request: Envelope<LlmRequest2>, State(seen): State<Seen>) {
    seen.push(format!("{} {} {}", request.data.text, request.event_type, request.source));
    assert!(!request.id.is_empty());
}

#[derive(Serialize, Deserialize, Event)]
#[event("bare.or.not")]
struct LlmRequest2 {
    text: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_can_take_events_with_and_without_envelope() {
    on_each_broker(|broker| async move {
        let seen = Seen::default();
        let service = App::bare(broker.config("bare"))
            .handler::<bare_or_not>()
            .state(seen.clone())
            .start()
            .await
            .unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        spy.publish("bare/or/not", r#"{"text":"bare"}"#).await;
        spy.publish("bare/or/not", envelope("bare.or.not", "1", r#"{"text":"wrapped"}"#)).await;
        eventually("both have come", || seen.all().len() == 2).await;
        assert_eq!(seen.all(), ["bare bare.or.not ", "wrapped bare.or.not tests"]);
        service.stop().await.unwrap();
    })
    .await;
}

#[subscribe("system/health/{service}")]
async fn neighbours(service: String, status: HealthStatus, State(seen): State<Seen>) {
    seen.push(format!("{service} {:?}", status.event));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_can_follow_the_health_of_others() {
    on_each_broker(|broker| async move {
        let seen = Seen::default();
        let watcher = App::bare(broker.config("watcher"))
            .handler::<neighbours>()
            .state(seen.clone())
            .start()
            .await
            .unwrap();
        let config = broker.config("watched").health(true);
        let ready = format!("{} Some(\"ready\")", config.client_id());
        let client = Client::connect(config).await.unwrap();
        eventually("the neighbour is ready", || seen.all().contains(&ready)).await;
        client.shutdown().await.unwrap();
        watcher.stop().await.unwrap();
    })
    .await;
}

#[subscribe("shared/work", group = "workers")]
async fn shared(payload: String, State(seen): State<Seen>) {
    seen.push(payload);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_share_the_work() {
    on_each_broker_with(&[Feature::SharedSubscriptions], |broker| async move {
        let (one, two) = (Seen::default(), Seen::default());
        let mut services = Vec::new();
        for seen in [&one, &two] {
            let app = App::bare(broker.config("member")).handler::<shared>().state(seen.clone());
            services.push(app.start().await.unwrap());
        }
        let spy = Spy::on(broker.port(), &[]).await;
        for number in 0..20 {
            spy.publish("shared/work", number.to_string()).await;
        }
        eventually("all are handled", || one.all().len() + two.all().len() == 20).await;
        assert!(
            !one.all().is_empty() && !two.all().is_empty(),
            "{one:?} {two:?}",
            one = one.all(),
            two = two.all()
        );
        for service in services {
            service.stop().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_ready_runs_once_everything_is_subscribed() {
    on_each_broker(|broker| async move {
        let mut spy = Spy::on(broker.port(), &["llm/response"]).await;
        let service = App::bare(broker.config("ready"))
            .handler::<answer>()
            .on_ready(|client: Client| async move {
                client.publish(&LlmRequest { id: "x".into(), text: "now".into() }).await
            })
            .start()
            .await
            .unwrap();
        assert_eq!(json(&within("the answer", spy.next()).await)["data"]["reply"], "NOW");
        service.stop().await.unwrap();
    })
    .await;
}
