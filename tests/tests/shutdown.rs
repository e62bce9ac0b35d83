//! What is promised about the end of a service.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rumqttc::{Packet, PubAck};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Running};
use tests::{Connection, ScriptedServer, eventually, json, within};

#[derive(Clone, Default)]
struct Begun(Arc<Mutex<Vec<String>>>);

impl Begun {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[derive(Serialize, Deserialize, Event)]
struct Done {
    what: String,
}

#[subscribe("work", timeout = "off")]
async fn takes_a_while(what: String, State(begun): State<Begun>) -> Done {
    begun.0.lock().unwrap().push(what.clone());
    match what.as_str() {
        "for ever" => std::future::pending().await,
        _ => tokio::time::sleep(Duration::from_millis(100)).await,
    }
    Done { what }
}

#[subscribe("fail", retry = 100, backoff = "10s..20s")]
async fn fails(what: String, State(begun): State<Begun>) -> Result<(), String> {
    begun.0.lock().unwrap().push(what);
    Err("on purpose".to_owned())
}

async fn start(server: &ScriptedServer, config: Config, begun: &Begun) -> (Running, Connection) {
    let app = App::bare(config).handler::<takes_a_while>().handler::<fails>().state(begun.clone());
    server.start_service(app).await
}

/// What the client says until it says goodbye, with every publish acknowledged.
async fn last_words(connection: &mut Connection) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        words.push(match connection.next().await {
            Some(Packet::Publish(publish)) => {
                connection.send(Packet::PubAck(PubAck::new(publish.pkid))).await;
                let data = &json(&publish)["data"];
                let said = data["what"].as_str().or(data["event"].as_str());
                said.unwrap_or_default().to_owned()
            }
            Some(Packet::PubAck(ack)) => format!("ack {}", ack.pkid),
            Some(Packet::Disconnect) => {
                words.push("goodbye".to_owned());
                return words;
            }
            other => panic!("{other:?} after {words:?}"),
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_finish_and_all_is_sent_before_the_goodbye() {
    let server = ScriptedServer::start().await;
    let begun = Begun::default();
    let (service, mut connection) = start(&server, server.config().health(true), &begun).await;
    let ready = connection.publish().await;
    connection.send(Packet::PubAck(PubAck::new(ready.pkid))).await;
    connection.deliver("work", "one", 1, false).await;
    connection.deliver("work", "two", 2, false).await;
    eventually("the first has begun", || begun.count() == 1).await;
    let stopping = tokio::spawn(service.stop());
    let words = last_words(&mut connection).await;
    assert_eq!(words, ["one", "ack 1", "two", "ack 2", "shutdown", "goodbye"]);
    within("the end", stopping).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_finished_in_time_is_cut_off_and_stays_unacknowledged() {
    let server = ScriptedServer::start().await;
    let begun = Begun::default();
    let config = server.config().shutdown_timeout(Duration::from_secs(1));
    let (service, mut connection) = start(&server, config, &begun).await;
    connection.deliver("work", "for ever", 1, false).await;
    connection.deliver("work", "behind it", 2, false).await;
    eventually("it has begun", || begun.count() == 1).await;
    let since = Instant::now();
    let stopping = tokio::spawn(service.stop());
    assert_eq!(last_words(&mut connection).await, ["goodbye"]);
    within("the end", stopping).await.unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert_eq!(begun.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_before_another_attempt_does_not_hold_up_the_end() {
    let server = ScriptedServer::start().await;
    let begun = Begun::default();
    let (service, mut connection) = start(&server, server.config(), &begun).await;
    connection.deliver("fail", "x", 1, false).await;
    eventually("it has failed", || begun.count() == 1).await;
    let since = Instant::now();
    let stopping = tokio::spawn(service.stop());
    // Not acknowledged, so that it comes again at the next start.
    assert_eq!(last_words(&mut connection).await, ["goodbye"]);
    within("the end", stopping).await.unwrap().unwrap();
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_come_during_the_end_are_left_with_the_broker() {
    let server = ScriptedServer::start().await;
    let begun = Begun::default();
    let (service, mut connection) = start(&server, server.config(), &begun).await;
    connection.deliver("work", "one", 1, false).await;
    eventually("it has begun", || begun.count() == 1).await;
    let client = service.client();
    let stopping = tokio::spawn(service.stop());
    // The handler has finished only after the service began to stop.
    let reply = connection.publish().await;
    connection.deliver("work", "late", 2, false).await;
    connection.send(Packet::PubAck(PubAck::new(reply.pkid))).await;
    assert_eq!(last_words(&mut connection).await, ["ack 1", "goodbye"]);
    assert_eq!(begun.count(), 1);
    within("the end", stopping).await.unwrap().unwrap();
    assert_eq!(*client.state().borrow(), ConnectionState::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_and_with_nothing_to_send_the_end_is_at_once() {
    let server = ScriptedServer::start().await;
    let begun = Begun::default();
    let (service, connection) = start(&server, server.config(), &begun).await;
    let mut state = service.client().state();
    drop((connection, server));
    within("the loss", state.wait_for(|state| *state != ConnectionState::Connected)).await.unwrap();
    let since = Instant::now();
    within("the end", service.stop()).await.unwrap();
    // Waiting would take the 5 s that are the default.
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_only_dropped_says_goodbye_too() {
    let server = ScriptedServer::start().await;
    let begun = Begun::default();
    let (service, mut connection) = start(&server, server.config(), &begun).await;
    drop(service);
    assert_eq!(last_words(&mut connection).await, ["goodbye"]);
}
