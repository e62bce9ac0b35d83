//! Links that are slow, silent, in pieces, or doubled.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tars_mqtt::ConnectionState;
use tars_mqtt::prelude::*;
use tests::{Broker, Logs, Relay, eventually, on_each_broker, unique_id, within};

#[derive(Serialize, Deserialize, Event)]
struct Ping {
    number: u32,
    padding: String,
}

#[derive(Serialize, Deserialize, Event)]
struct Pong {
    number: u32,
    padding: String,
}

#[subscribe(concurrency = 16)]
async fn pong(Ping { number, padding }: Ping) -> Pong {
    Pong { number, padding }
}

fn config(relay: &Relay, name: &str) -> Config {
    Config::new(relay.url(), unique_id(name))
        .unwrap()
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500))
}

/// Asks a service behind a relay, and sees every request answered.
async fn ask(broker: &Broker, relay: &Relay, requests: u32, padding: usize) {
    let app = App::bare(config(relay, "service")).handler::<pong>();
    let service = within("the start", app.start()).await.unwrap();
    let client = Client::connect(broker.config("asker")).await.unwrap();
    let mut asked = Vec::new();
    for number in 0..requests {
        let client = client.clone();
        let ping = Ping { number, padding: "x".repeat(padding) };
        asked.push(tokio::spawn(async move {
            let answer: Envelope<Pong> = client.request(&ping).await.unwrap();
            assert_eq!((answer.data.number, answer.data.padding.len()), (number, padding));
        }));
    }
    for asked in asked {
        within("an answer", asked).await.unwrap();
    }
    client.shutdown().await.unwrap();
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_link_only_takes_longer() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        relay.delay(Duration::from_millis(50));
        ask(&broker, &relay, 50, 10).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_link_only_takes_longer() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        relay.throttle(400_000);
        ask(&broker, &relay, 20, 10_000).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_may_arrive_byte_by_byte() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        relay.split(1);
        ask(&broker, &relay, 50, 300).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_swallows_everything_is_left_and_nothing_is_lost() {
    on_each_broker(|broker| async move {
        let relay = Relay::to(broker.port()).await;
        let config = config(&relay, "half-open").heartbeat(Some(Duration::from_secs(1)));
        let service = App::bare(config).handler::<pong>().start().await.unwrap();
        let client = Client::connect(broker.config("asker")).await.unwrap();
        let mut state = service.client().state();
        relay.black_hole(true);
        let swallowed = Instant::now();
        let asking = client.clone();
        let answer = tokio::spawn(async move {
            let ping = Ping { number: 1, padding: String::new() };
            asking.request::<_, Pong>(&ping).await
        });
        within("the notice", state.wait_for(|state| *state != ConnectionState::Connected))
            .await
            .unwrap();
        let noticed = swallowed.elapsed();
        assert!(noticed < Duration::from_secs(20), "{noticed:?}");
        // New connections meet the same silence until the hole is gone.
        relay.black_hole(false);
        relay.cut();
        assert_eq!(within("the answer", answer).await.unwrap().unwrap().data.number, 1);
        client.shutdown().await.unwrap();
        service.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubled_connection_is_a_second_client_of_the_same_id_and_said_to_be() {
    let logs = Logs::of_this_process();
    on_each_broker(|broker| {
        let logs = logs.clone();
        async move {
            let relay = Relay::to(broker.port()).await;
            let config = config(&relay, "doubled");
            let id = config.client_id().to_owned();
            let client = Client::connect(config).await.unwrap();
            relay.double(true);
            relay.cut();
            eventually("it is said", || {
                logs.contain(&["ERROR", &id, "another client uses the same client id"])
            })
            .await;
            relay.double(false);
            relay.cut();
            let mut state = client.state();
            within("peace", state.wait_for(|state| *state == ConnectionState::Connected))
                .await
                .unwrap();
            let sent = client.message("after").send().await.unwrap();
            within("an acknowledgement", sent.delivered()).await.unwrap();
            client.shutdown().await.unwrap();
        }
    })
    .await;
}
