//! A service that is ended by one of its own handlers, and answers that handlers wait for at the end.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Running};
use tests::{Spy, envelope, eventually, json, on_each_broker, within};

/// Where a handler finds the service that it is to end.
type Handle = Arc<Mutex<Option<Running>>>;

#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

#[subscribe("command/+")]
async fn command(
    how: String,
    client: Client,
    State(handle): State<Handle>,
    State(calls): State<Calls>,
) {
    calls.0.lock().unwrap().push(how.clone());
    match how.as_str() {
        "awaited" => client.shutdown().await.unwrap(),
        "in a task" => {
            // Not known to be the handler's own, and told so in half of the time.
            let ended = tokio::spawn(async move { client.shutdown().await }).await;
            assert!(ended.unwrap().is_err());
        }
        "in place" => tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(client.shutdown()).unwrap();
        }),
        "by its handle" => {
            let running = handle.lock().unwrap().take().unwrap();
            running.stop().await.unwrap();
        }
        "by dropping it" => drop(handle.lock().unwrap().take()),
        _ => {}
    }
}

async fn start(config: Config, calls: &Calls) -> Handle {
    let handle = Handle::default();
    let app = App::bare(config).handler::<command>().state(handle.clone()).state(calls.clone());
    let running = app.start().await.unwrap();
    *handle.lock().unwrap() = Some(running);
    handle
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_handler_that_ends_its_service_is_done_with_its_message() {
    on_each_broker(|broker| async move {
        let spy = Spy::on(broker.port(), &[]).await;
        for how in ["awaited", "in place", "in a task", "by its handle", "by dropping it"] {
            let calls = Calls::default();
            let config = broker.config("ended").shutdown_timeout(Duration::from_secs(2));
            let handle = start(config.clone(), &calls).await;
            let client = handle.lock().unwrap().as_ref().unwrap().client();
            let mut state = client.state();
            let topic = format!("command/{}", how.len());
            spy.publish(&topic, how).await;
            let stopped = state.wait_for(|state| *state == ConnectionState::Stopped);
            drop(within(how, stopped).await.unwrap());
            assert_eq!(*calls.0.lock().unwrap(), [how]);
            // The next start finds the message gone.
            let handle = start(config, &calls).await;
            spy.publish(&topic, "the next").await;
            eventually("the next comes", || calls.0.lock().unwrap().len() > 1).await;
            assert_eq!(*calls.0.lock().unwrap(), [how, "the next"]);
            let running = handle.lock().unwrap().take().unwrap();
            running.stop().await.unwrap();
        }
    })
    .await;
}

#[subscribe("takes/long")]
async fn takes_long(State(calls): State<Calls>) {
    calls.0.lock().unwrap().push("begun".to_owned());
    tokio::time::sleep(Duration::from_millis(500)).await;
    calls.0.lock().unwrap().push("finished".to_owned());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_is_given_up_goes_on_without_whoever_waited() {
    on_each_broker(|broker| async move {
        let spy = Spy::on(broker.port(), &[]).await;
        let calls = Calls::default();
        let app = App::bare(broker.config("given-up")).handler::<takes_long>();
        let running = app.state(calls.clone()).start().await.unwrap();
        let client = running.client();
        spy.publish("takes/long", "").await;
        eventually("the handler begins", || !calls.0.lock().unwrap().is_empty()).await;
        let stopping = tokio::time::timeout(Duration::from_millis(20), running.stop()).await;
        assert!(stopping.is_err());
        let mut state = client.state();
        let stopped = state.wait_for(|state| *state == ConnectionState::Stopped);
        within("the end", stopped).await.unwrap();
        assert_eq!(*calls.0.lock().unwrap(), ["begun", "finished"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_returns_when_a_handler_has_ended_its_service() {
    on_each_broker(|broker| async move {
        let calls = Calls::default();
        let app = App::bare(broker.config("run"))
            .handler::<command>()
            .state(Handle::default())
            .state(calls.clone());
        let mut spy = Spy::on(broker.port(), &["ready"]).await;
        let running = tokio::spawn(
            app.on_ready(|client: Client| async move { client.message("ready").send().await })
                .run(),
        );
        spy.next().await;
        spy.publish("command/run", "awaited").await;
        within("the end", running).await.unwrap().unwrap();
        assert_eq!(*calls.0.lock().unwrap(), ["awaited"]);
    })
    .await;
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Question {}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Answer {}

#[subscribe("ask/me")]
async fn asks(client: Client, State(calls): State<Calls>) -> tars_mqtt::Result<()> {
    calls.0.lock().unwrap().push("asked".to_owned());
    client.request::<_, Answer>(&Question {}).await?;
    calls.0.lock().unwrap().push("answered".to_owned());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_handler_waits_for_still_comes_while_its_service_ends() {
    on_each_broker(|broker| async move {
        let calls = Calls::default();
        let app = App::bare(broker.config("asks")).handler::<asks>().state(calls.clone());
        let running = app.start().await.unwrap();
        let mut spy = Spy::on(broker.port(), &["question"]).await;
        spy.publish("ask/me", "").await;
        let question = json(&spy.next().await);
        let begun = Instant::now();
        let stopping = tokio::spawn(running.stop());
        // The end has begun most likely; where it has not, the answer comes all the same.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let answer = envelope("answer", question["id"].as_str().unwrap(), "{}");
        spy.publish("answer", answer).await;
        within("the end", stopping).await.unwrap().unwrap();
        assert_eq!(*calls.0.lock().unwrap(), ["asked", "answered"]);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    })
    .await;
}
