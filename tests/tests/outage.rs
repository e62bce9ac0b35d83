//! Brokers that are not there, and what happens when they are there again.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;
use tests::{Logs, Relay, ScriptedServer, Spy, eventually, on_each_broker, unique_id, within};

#[derive(Clone, Default)]
struct LastHandled(Arc<Mutex<Option<Instant>>>);

#[subscribe("tick")]
async fn tick(State(last): State<LastHandled>) {
    *last.0.lock().unwrap() = Some(Instant::now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_found_is_tried_again_and_said_so() {
    let logs = Logs::of_this_process();
    let config = Config::new("mqtt://no-such-host.invalid", unique_id("dns"))
        .unwrap()
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let connecting = tokio::spawn(Client::connect(config));
    eventually("it is said twice", || {
        logs.count(&["WARN", "no-such-host.invalid", "cannot connect"]) >= 2
    })
    .await;
    assert!(!connecting.is_finished());
    connecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_absent_at_start_is_waited_for() {
    let port = tests::free_port();
    let config = Config::new(format!("mqtt://127.0.0.1:{port}"), unique_id("early"))
        .unwrap()
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let app = App::bare(config).handler::<tick>().state(LastHandled::default());
    let starting = tokio::spawn(app.start());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!starting.is_finished());
    let broker =
        tars_mqtt::broker::EmbeddedBroker::start(&format!("127.0.0.1:{port}")).await.unwrap();
    let service = within("the start", starting).await.unwrap().unwrap();
    service.stop().await.unwrap();
    broker.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_message_after_an_outage_is_handled_soon_after_the_connection() {
    let server = ScriptedServer::start().await;
    let last = LastHandled::default();
    let app = App::bare(server.config()).handler::<tick>().state(last.clone());
    let (service, mut connection) = tokio::join!(app.start(), async {
        let mut connection = server.connected(false).await;
        connection.subscribe().await;
        connection
    });
    let _service = service.unwrap();
    let mut worst = Duration::ZERO;
    for round in 0..10 {
        drop(connection);
        connection = server.accept().await;
        let accepted = Instant::now();
        connection.connect().await;
        // Half of the time the broker has kept the session.
        let kept = round % 2 == 0;
        let ack = rumqttc::ConnAck::new(rumqttc::ConnectReturnCode::Success, kept);
        connection.send(rumqttc::Packet::ConnAck(ack)).await;
        if !kept {
            connection.subscribe().await;
        }
        connection.deliver("tick", "x", round + 1, false).await;
        assert_eq!(connection.puback().await, round + 1);
        let handled = last.0.lock().unwrap().unwrap();
        worst = worst.max(handled.duration_since(accepted));
    }
    println!("from the connection to the first message handled: at most {worst:?} of 10");
    // Far more than it takes, for a machine that is busy.
    assert!(worst < Duration::from_secs(5), "{worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_came_while_the_link_was_down_are_handled_when_it_is_back() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        let config = Config::new(relay.url(), unique_id("down"))
            .unwrap()
            .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
        let last = LastHandled::default();
        let service =
            App::bare(config).handler::<tick>().state(last.clone()).start().await.unwrap();
        let mut state = service.client().state();
        relay.close();
        within("the loss", state.wait_for(|state| *state == ConnectionState::Disconnected))
            .await
            .unwrap();
        let spy = Spy::on(broker.port(), &[]).await;
        spy.publish("tick", "x").await;
        assert!(last.0.lock().unwrap().is_none());
        relay.open();
        eventually("it is handled", || last.0.lock().unwrap().is_some()).await;
        service.stop().await.unwrap();
    })
    .await;
}
