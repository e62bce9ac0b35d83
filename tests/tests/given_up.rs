//! Futures that are dropped while they wait, streams that nobody reads, and runtimes that go: none
//! of them leaves anything behind that stops others.

use std::time::Duration;

use futures_util::FutureExt as _;
use rumqttc::{Packet, SubAck, SubscribeReasonCode};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Error};
use tests::{Connection, Relay, ScriptedServer, Spy, envelope, json, on_each_broker, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Ask {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Answer {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Other {
    number: u64,
}

#[subscribe]
async fn answer(ask: Ask) -> Answer {
    Answer { number: ask.number }
}

/// On the topic of the answers too, where what nobody reads would hold up its acknowledgements.
#[subscribe("other/{n}")]
async fn other(n: u64) -> Other {
    Other { number: n }
}

async fn connect(server: &ScriptedServer) -> (Client, Connection) {
    let (client, connection) =
        tokio::join!(Client::connect(server.config()), server.connected(false));
    (client.unwrap(), connection)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_given_up_during_an_outage_stop_nothing_after_it() {
    on_each_broker(|broker| async move {
        let server = App::bare(broker.config("answers")).handler::<answer>().start().await.unwrap();
        let relay = Relay::to(broker.port()).await;
        let config = Config::new(relay.url(), tests::unique_id("asks"))
            .unwrap()
            .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
        let service = App::bare(config).handler::<other>().start().await.unwrap();
        let client = service.client();
        relay.close();
        let mut state = client.state();
        within("the outage", state.wait_for(|state| *state != ConnectionState::Connected))
            .await
            .unwrap();
        for number in 0..5 {
            let given_up = client
                .request::<_, Answer>(&Ask { number })
                .timeout(Duration::from_millis(100))
                .await;
            assert!(given_up.is_err());
            let subscribing = client.subscribe::<Answer>("answer/+");
            assert!(tokio::time::timeout(Duration::from_millis(10), subscribing).await.is_err());
        }
        relay.open();
        for number in 0..100 {
            let answer: Envelope<Answer> =
                within("an answer", client.request(&Ask { number }).into_future()).await.unwrap();
            assert_eq!(answer.data.number, number);
        }
        let mut spy = Spy::on(broker.port(), &["other"]).await;
        for number in 0..100 {
            spy.publish(&format!("other/{number}"), "").await;
        }
        for number in 0..100 {
            assert_eq!(json(&spy.next().await)["data"]["number"], number);
        }
        service.stop().await.unwrap();
        server.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_given_up_at_any_moment_holds_no_acknowledgement() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    // Given up between SUBSCRIBE and SUBACK.
    let mut subscribing = Box::pin(client.subscribe::<Other>("other"));
    assert!(subscribing.as_mut().now_or_never().is_none());
    let Some(Packet::Subscribe(subscribe)) = connection.next().await else { panic!() };
    drop(subscribing);
    let message = envelope("other", "1", r#"{"number":1}"#);
    connection.deliver("other", &message, 1, false).await;
    let granted = vec![SubscribeReasonCode::Success(rumqttc::QoS::AtLeastOnce)];
    connection.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted))).await;
    let mut acknowledged = false;
    let mut unsubscribed = false;
    while !acknowledged || !unsubscribed {
        match connection.next().await {
            Some(Packet::PubAck(ack)) => acknowledged |= ack.pkid == 1,
            Some(Packet::Unsubscribe(given_up)) => {
                unsubscribed |= given_up.topics == ["other"];
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_answers_the_broker_does_not_let_be_heard_holds_up_no_other() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let asking = client.clone();
    let stuck =
        tokio::spawn(async move { asking.request::<_, Other>(&Ask { number: 1 }).await.map(drop) });
    // Not answered.
    let Some(Packet::Subscribe(_)) = connection.next().await else { panic!() };
    let asking = client.clone();
    let answered =
        tokio::spawn(async move { asking.request::<_, Answer>(&Ask { number: 2 }).await });
    connection.subscribe().await;
    let request = connection.publish().await;
    let id = json(&request)["id"].as_str().unwrap().to_owned();
    connection.deliver("answer", &envelope("answer", &id, r#"{"number":2}"#), 1, false).await;
    let answer = within("the answer", answered).await.unwrap().unwrap();
    assert_eq!(answer.data.number, 2);
    assert!(!stuck.is_finished());
    stuck.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_acknowledges_on_receipt_holds_up_nobody() {
    let server = ScriptedServer::start().await;
    let (client, mut connection) = connect(&server).await;
    let (idle, _) = tokio::join!(
        client.subscription::<Other>("other").ack_on_receive().open(),
        connection.subscribe()
    );
    let mut idle = idle.unwrap();
    let message = envelope("other", "1", r#"{"number":1}"#);
    for id in 1..=50 {
        connection.deliver("other", &message, id, false).await;
        assert_eq!(connection.puback().await, id);
    }
    assert_eq!(within("an event", idle.next()).await.unwrap().data.number, 1);
}

#[test]
fn a_client_whose_runtime_is_gone_says_so_everywhere() {
    let gone = tokio::runtime::Runtime::new().unwrap();
    let here = tokio::runtime::Runtime::new().unwrap();
    let server = here.block_on(ScriptedServer::start());
    let config = server.config();
    let serving = here.spawn(async move {
        let mut connection = server.connected(false).await;
        while let Some(packet) = connection.next().await {
            if let Packet::Subscribe(subscribe) = packet {
                let granted = vec![SubscribeReasonCode::Success(rumqttc::QoS::AtLeastOnce)];
                connection.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted))).await;
            }
        }
    });
    let client = gone.block_on(Client::connect(config)).unwrap();
    let (receipt, mut events) = gone.block_on(async {
        let receipt = client.publish(&Ask { number: 1 }).await.unwrap();
        let events = client.subscribe::<Other>("other").await.unwrap();
        let asking = client.clone();
        // So that answers are subscribed to.
        let request = asking.request::<_, Answer>(&Ask { number: 2 });
        let _ = request.timeout(Duration::from_millis(200)).await;
        (receipt, events)
    });
    let waiting = {
        let client = client.clone();
        here.spawn(async move { client.request::<_, Answer>(&Ask { number: 3 }).await })
    };
    gone.shutdown_timeout(Duration::from_secs(5));
    here.block_on(async {
        let stopped = |outcome: Result<(), Error>| matches!(outcome, Err(Error::Stopped));
        assert!(stopped(within("a receipt", receipt.delivered()).await));
        assert_eq!(*client.state().borrow(), ConnectionState::Stopped);
        let publish = client.publish(&Ask { number: 1 });
        assert!(stopped(within("publish", publish).await.map(drop)));
        assert!(within("the end of the stream", events.next()).await.is_none());
        assert!(stopped(within("the answer", waiting).await.unwrap().map(drop)));
        let request = client.request::<_, Answer>(&Ask { number: 4 });
        assert!(stopped(within("request", request.into_future()).await.map(drop)));
        let subscribing = client.subscribe::<Other>("other");
        assert!(stopped(within("subscribe", subscribing).await.map(drop)));
        assert!(stopped(client.health().ok("well").await));
        assert!(stopped(within("send", client.rumqttc().send(Packet::PingReq)).await));
        assert!(stopped(within("shutdown", client.shutdown()).await));
        serving.abort();
    });
}
