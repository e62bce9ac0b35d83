//! What events can hold, and how they come back.

use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tars_mqtt::Error;
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tests::envelope;
use tokio::sync::Notify;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Event)]
#[serde(rename_all = "camelCase")]
struct Reading {
    celsius: f64,
    history: Vec<Option<f32>>,
    #[serde(skip_deserializing)]
    taken_by: String,
}

#[derive(Debug, Deserialize, Event)]
#[event("reading")]
struct Partly {
    celsius: f64,
    #[serde(rename = "takenBy")]
    taken_by: IgnoredAny,
    history: IgnoredAny,
}

#[subscribe("reading")]
async fn echo(reading: Reading, context: Context) -> tars_mqtt::Result<()> {
    context.client().event(&reading).topic("echo").send().await?;
    Ok(())
}

#[subscribe("reading")]
async fn partly(partly: Partly, client: Client) -> tars_mqtt::Result<()> {
    let Partly { celsius, taken_by: IgnoredAny, history: IgnoredAny } = partly;
    client.message("partly").payload(celsius.to_string()).send().await?;
    Ok(())
}

#[subscribe("reading/bad", dead_letter = "dead/reading")]
async fn bad(text: String) -> Reading {
    Reading { celsius: text.parse().unwrap(), ..Reading::default() }
}

#[derive(Serialize, Deserialize, Event)]
#[event("tick", qos = 0)]
struct Tick {
    turns: u32,
}

#[subscribe(concurrency = 2)]
async fn tick(tick: Tick, client: Client) -> tars_mqtt::Result<()> {
    for _ in 0..tick.turns {
        tokio::task::yield_now().await;
    }
    client.message("ticked").qos(QoS::AtMostOnce).send().await?;
    Ok(())
}

#[subscribe]
async fn hang(_: Tick, State(begun): State<Arc<Notify>>) {
    begun.notify_one();
    std::future::pending().await
}

#[tokio::test]
async fn what_is_written_and_not_read_is_passed_over_when_it_comes_back() {
    let app = App::bare(TestApp::config()).handler::<echo>().handler::<partly>();
    let app = TestApp::start(app).await.unwrap();
    let reading =
        Reading { celsius: 20.5, history: vec![None, Some(1.5)], taken_by: "me".to_owned() };
    app.deliver(&reading).await;
    let mut topics: Vec<_> =
        app.published_messages().iter().map(|message| message.topic().to_owned()).collect();
    topics.sort();
    assert_eq!(topics, ["echo", "partly"]);
    let back = &app.published::<Reading>()[0].data;
    assert_eq!(*back, Reading { taken_by: String::new(), ..reading });
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_number_that_json_does_not_have_is_refused_to_its_publisher() {
    let app = TestApp::start(App::bare(TestApp::config()).handler::<bad>()).await.unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let reading = Reading { celsius: value, ..Reading::default() };
        let error = app.client().publish(&reading).await.unwrap_err();
        assert!(matches!(error, Error::Encode { event_type: "reading", .. }), "{error}");
        assert!(error.to_string().contains("`celsius` is "), "{error}");
        let nested = Reading { history: vec![Some(1.0), Some(f32::NAN)], ..Reading::default() };
        assert!(app.client().publish(&nested).await.is_err());
    }
    app.deliver_message("reading/bad", "NaN").await;
    let letter = &app.published::<tars_mqtt::DeadLetter>()[0].data;
    assert!(letter.reason.contains("`celsius` is NaN"), "{}", letter.reason);
    app.deliver_message("reading/bad", "1.5").await;
    assert_eq!(app.published::<Reading>().len(), 1);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn an_unknown_field_is_refused_beside_those_that_are_passed_over() {
    let app = App::bare(TestApp::config()).handler::<echo>();
    let app = TestApp::start(app).await.unwrap();
    for data in [
        r#"{"celsius":1,"history":[],"taken_by":"x"}"#,
        r#"{"celsius":1,"history":[],"takenBy":"x","more":1}"#,
    ] {
        app.deliver_message("reading", envelope("reading", "1", data)).await;
    }
    assert_eq!(app.published_messages().len(), 0);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_delivery_at_qos_0_ends_when_its_handler_has() {
    let app = TestApp::start(App::bare(TestApp::config()).handler::<tick>()).await.unwrap();
    for (delivered, turns) in [(1, 0), (2, 1), (3, 10_000), (4, 0)] {
        app.deliver(&Tick { turns }).await;
        assert_eq!(app.published_messages().len(), delivered);
    }
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_delivery_at_qos_0_ends_with_the_service_when_its_handler_does_not() {
    let begun = Arc::<Notify>::default();
    let config = TestApp::config().shutdown_timeout(Duration::from_millis(100));
    let app = App::bare(config).handler::<hang>().state(begun.clone());
    let app = TestApp::start(app).await.unwrap();
    let shutdown = async {
        begun.notified().await;
        app.client().shutdown().await
    };
    let ((), stopped) = tokio::join!(app.deliver(&Tick { turns: 0 }), shutdown);
    assert!(matches!(stopped, Err(Error::Timeout(_)) | Ok(())), "{stopped:?}");
}
