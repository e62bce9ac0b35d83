//! Handlers that wait for something which comes over the connection that they hold up.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tests::{Mosquitto, Spy, envelope, json, on_each_broker, unique_id, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Job {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Done {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Ask {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Answer {
    number: u64,
}

#[subscribe(concurrency = 200)]
async fn job(job: Job, client: Client) -> Result<Done, tars_mqtt::Error> {
    let answer: Envelope<Answer> = client.request(&Ask { number: job.number }).await?;
    Ok(Done { number: answer.data.number })
}

#[subscribe]
async fn answer(ask: Ask) -> Answer {
    Answer { number: ask.number }
}

fn message(number: u64) -> String {
    envelope("job", &format!("id-{number}"), &format!(r#"{{"number":{number}}}"#))
}

async fn all_done(spy: &mut Spy, jobs: u64) {
    let mut left: std::collections::HashSet<u64> = (0..jobs).collect();
    while !left.is_empty() {
        let done = json(&spy.next().await);
        left.remove(&done["data"]["number"].as_u64().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_to_as_many_waiting_handlers_as_the_broker_has_room_for() {
    on_each_broker(|broker| async move {
        let asked = App::bare(broker.config("asked")).handler::<answer>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["done"]).await;
        let config = broker.config("asks");
        let service = App::bare(config.clone()).handler::<job>().start().await.unwrap();
        service.stop().await.unwrap();
        // They wait for it.
        for number in 0..200 {
            spy.publish("job", message(number)).await;
        }
        let service = App::bare(config).handler::<job>().start().await.unwrap();
        all_done(&mut spy, 200).await;
        service.stop().await.unwrap();
        asked.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_handler_asks_another_of_its_own_needs_no_window() {
    for window in [1, 2, 20] {
        let settings = format!("allow_anonymous true\nmax_inflight_messages {window}\n");
        let Some(broker) = Mosquitto::start_with(&settings).await else { return };
        let mut spy = Spy::on(broker.port(), &["done"]).await;
        let config = Config::new(broker.url(), unique_id("itself")).unwrap();
        let app = App::bare(config).handler::<job>().handler::<answer>();
        let service = app.start().await.unwrap();
        // More than the two smaller windows have room for.
        let jobs = if window < 20 { 4 } else { 30 };
        for number in 0..jobs {
            spy.publish("job", message(number)).await;
        }
        within("all of them", all_done(&mut spy, jobs)).await;
        service.stop().await.unwrap();
    }
}

/// Hears the answer on a stream of its own.
#[subscribe("streamed/job")]
async fn job_with_a_stream(number: String, client: Client) -> anyhow::Result<Done> {
    let number = number.parse()?;
    let mut answers = client.subscribe::<Answer>("answer").await?;
    client.publish(&Ask { number }).await?;
    while let Some(answer) = answers.next().await {
        if answer.data.number == number {
            break;
        }
    }
    Ok(Done { number })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_a_handler_opens_needs_no_window() {
    for window in [1, 20] {
        let settings = format!("allow_anonymous true\nmax_inflight_messages {window}\n");
        let Some(broker) = Mosquitto::start_with(&settings).await else { return };
        let config = |name| Config::new(broker.url(), unique_id(name)).unwrap();
        let asked = App::bare(config("asked")).handler::<answer>().start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["done"]).await;
        let app = App::bare(config("streams")).handler::<job_with_a_stream>();
        let service = app.start().await.unwrap();
        for number in 0..40 {
            spy.publish("streamed/job", number.to_string()).await;
        }
        within("all of them", all_done(&mut spy, 40)).await;
        service.stop().await.unwrap();
        asked.stop().await.unwrap();
    }
}

#[subscribe("slow/job")]
async fn slow_answer(client: Client) -> Result<Done, tars_mqtt::Error> {
    let answer: Envelope<Answer> = client.request(&Ask { number: 7 }).await?;
    Ok(Done { number: answer.data.number })
}

#[derive(Clone)]
struct Begun(tokio::sync::mpsc::UnboundedSender<()>);

#[subscribe]
async fn answers_late(ask: Ask, State(begun): State<Begun>) -> Answer {
    let _ = begun.0.send(());
    tokio::time::sleep(Duration::from_secs(1)).await;
    Answer { number: ask.number }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_waits_for_an_answer_gets_it_while_the_service_stops() {
    on_each_broker(|broker| async move {
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let asked = App::bare(broker.config("late"))
            .handler::<answers_late>()
            .state(Begun(begun))
            .start()
            .await
            .unwrap();
        let mut spy = Spy::on(broker.port(), &["done"]).await;
        let service =
            App::bare(broker.config("stops")).handler::<slow_answer>().start().await.unwrap();
        spy.publish("slow/job", "x").await;
        within("the request", has_begun.recv()).await.unwrap();
        within("the end", service.stop()).await.unwrap();
        assert_eq!(json(&spy.next().await)["data"]["number"], 7);
        asked.stop().await.unwrap();
    })
    .await;
}
