//! What is promised about messages that come in, packet by packet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::{Packet, PubAck, PubRel, Publish, QoS};
use serde::{Deserialize, Serialize};
use tars_mqtt::BoxError;
use tars_mqtt::prelude::*;
use tests::{ScriptedServer, envelope, eventually, within};
use tokio::sync::Semaphore;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Work {
    number: u64,
}

#[derive(Debug, Serialize, Deserialize, Event)]
struct Done {
    number: u64,
}

fn work(number: u64) -> String {
    envelope("work", &format!("id-{number}"), &format!(r#"{{"number":{number}}}"#))
}

/// Counts calls, and lets a test hold handlers back.
#[derive(Clone)]
struct Gate {
    begun: Arc<AtomicUsize>,
    handled: Arc<Mutex<Vec<u64>>>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn closed() -> Self {
        Self { begun: Arc::default(), handled: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }

    fn open(&self) {
        self.open.add_permits(1_000_000);
    }

    async fn pass(&self, number: u64) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
        self.handled.lock().unwrap().push(number);
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[subscribe("work", concurrency = 16)]
async fn at_random(work: Work) {
    tokio::time::sleep(Duration::from_millis(work.number * 7919 % 20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_leave_in_order_of_arrival_however_handlers_finish() {
    let server = ScriptedServer::start().await;
    let app = App::bare(server.config()).handler::<at_random>();
    let (_service, mut connection) = server.start_service(app).await;
    for id in 1..=500_u16 {
        connection.deliver("work", &work(id.into()), id, false).await;
    }
    for id in 1..=500 {
        assert_eq!(connection.puback().await, id);
    }
}

#[subscribe("work", concurrency = 4)]
async fn gated(work: Work, State(gate): State<Gate>) -> Done {
    gate.pass(work.number).await;
    Done { number: work.number }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_acknowledged_only_after_the_broker_has_its_reply() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    gate.open();
    let app = App::bare(server.config()).handler::<gated>().state(gate);
    let (_service, mut connection) = server.start_service(app).await;
    connection.deliver("work", &work(1), 9, false).await;
    let reply = connection.publish().await;
    assert_eq!(reply.topic, "done");
    // An acknowledgement that came too early would stand before this answer.
    connection.deliver("nobody", "x", 10, false).await;
    assert!(matches!(connection.next().await, Some(Packet::Unsubscribe(_))));
    connection.send(Packet::PubAck(PubAck::new(reply.pkid))).await;
    assert_eq!(connection.puback().await, 9);
    assert_eq!(connection.puback().await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_of_an_old_connection_never_reaches_a_new_one() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    let app = App::bare(server.config()).handler::<gated>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app).await;
    connection.deliver("work", &work(1), 1, false).await;
    eventually("the first is being handled", || gate.begun() == 1).await;
    drop(connection);

    let mut connection = server.connected(true).await;
    // The same packet id, for another message.
    connection.deliver("work", &work(2), 1, false).await;
    eventually("the second is being handled", || gate.begun() == 2).await;
    gate.open.add_permits(1);
    eventually("one is done", || gate.handled.lock().unwrap().len() == 1).await;
    assert_eq!(*gate.handled.lock().unwrap(), [1]);
    // Its reply goes out; its acknowledgement must not.
    let reply = connection.publish().await;
    connection.send(Packet::PubAck(PubAck::new(reply.pkid))).await;
    gate.open.add_permits(1);
    let reply = connection.publish().await;
    assert!(String::from_utf8_lossy(&reply.payload).contains(r#""number":2"#));
    connection.send(Packet::PubAck(PubAck::new(reply.pkid))).await;
    assert_eq!(connection.puback().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redelivered_message_waits_for_its_first_copy_and_does_not_run_again() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    let config = server.config().dedupe(Duration::from_secs(30), 100);
    let app = App::bare(config).handler::<gated>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app).await;
    connection.deliver("work", &work(1), 1, false).await;
    eventually("the first copy is being handled", || gate.begun() == 1).await;
    drop(connection);

    let mut connection = server.connected(true).await;
    connection.deliver("work", &work(1), 1, true).await;
    connection.deliver("work", &work(2), 2, false).await;
    eventually("the other message is being handled", || gate.begun() == 2).await;
    gate.open();
    let mut replies = vec![connection.publish().await, connection.publish().await];
    replies.sort_by_key(|reply| reply.payload.len());
    for reply in &replies {
        connection.send(Packet::PubAck(PubAck::new(reply.pkid))).await;
    }
    assert_eq!((connection.puback().await, connection.puback().await), (1, 2));
    // Once handled it is known, and needs no reply of its own.
    connection.deliver("work", &work(1), 3, true).await;
    assert_eq!(connection.puback().await, 3);
    assert_eq!(gate.begun(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_while_it_is_handled_does_not_run_twice_even_without_a_filter() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    let app = App::bare(server.config()).handler::<gated>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app).await;
    for id in [1, 2] {
        connection.deliver("work", &work(id.into()), id, false).await;
    }
    eventually("both are being handled", || gate.begun() == 2).await;
    drop(connection);

    let mut connection = server.connected(true).await;
    connection.deliver("work", &work(1), 1, true).await;
    // The identifier of the second, given to another message.
    connection.deliver("work", &work(3), 2, true).await;
    eventually("the new one is being handled", || gate.begun() == 3).await;
    gate.open();
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 2 {
        match connection.next().await {
            Some(Packet::Publish(reply)) => {
                connection.send(Packet::PubAck(PubAck::new(reply.pkid))).await;
            }
            Some(Packet::PubAck(ack)) => acknowledged.push(ack.pkid),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(acknowledged, [1, 2]);
    assert_eq!(gate.begun(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_again_on_the_same_connection_runs_once_and_is_acknowledged_once() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    let app = App::bare(server.config()).handler::<exactly_once>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app.handler::<open>()).await;
    connection.deliver("work", &work(1), 1, false).await;
    eventually("it is being handled", || gate.begun() == 1).await;
    // Brokers that do this wait for some time: NATS for 30 seconds.
    connection.deliver("work", &work(1), 1, true).await;
    connection.deliver("work", &work(1), 1, true).await;
    connection.deliver("work", &work(2), 2, false).await;
    // Behind the others, so that they have all come when the first one ends.
    connection.send(Packet::Publish(Publish::new("open", QoS::AtMostOnce, ""))).await;
    assert_eq!((connection.puback().await, connection.puback().await), (1, 2));
    // The identifier is free again, and a message that uses it is one of its own.
    connection.deliver("work", &work(3), 1, false).await;
    assert_eq!(connection.puback().await, 1);
    assert_eq!(*gate.handled.lock().unwrap(), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_handled_message_still_waits_for_the_reply_of_the_first() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    gate.open();
    let config = server.config().dedupe(Duration::from_secs(30), 100);
    let app = App::bare(config).handler::<gated>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app).await;
    connection.deliver("work", &work(1), 1, false).await;
    let reply = connection.publish().await;
    drop(connection);

    let mut connection = server.connected(true).await;
    let again = connection.publish().await;
    assert!(again.dup);
    assert_eq!((again.pkid, &again.payload), (reply.pkid, &reply.payload));
    connection.deliver("work", &work(1), 1, true).await;
    connection.deliver("work", &work(2), 2, false).await;
    // The copy has been looked at when the message behind it is answered.
    let other = connection.publish().await;
    connection.send(Packet::PubAck(PubAck::new(other.pkid))).await;
    connection.send(Packet::PubAck(PubAck::new(again.pkid))).await;
    assert_eq!((connection.puback().await, connection.puback().await), (1, 2));
    assert_eq!(gate.begun(), 2);
}

#[derive(Clone, Default)]
struct Failing(Arc<AtomicUsize>);

#[subscribe("work")]
async fn fails_once(_work: Work, State(failing): State<Failing>) -> Result<(), BoxError> {
    match failing.0.fetch_add(1, Ordering::SeqCst) {
        0 => Err("not this time".into()),
        _ => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_handler_failed_may_come_again() {
    let server = ScriptedServer::start().await;
    let failing = Failing::default();
    let config = server.config().dedupe(Duration::from_secs(30), 100);
    let app = App::bare(config).handler::<fails_once>().state(failing.clone());
    let (_service, mut connection) = server.start_service(app).await;
    for (id, calls) in [(1, 1), (2, 2), (3, 2)] {
        connection.deliver("work", &work(1), id, false).await;
        assert_eq!(connection.puback().await, id);
        assert_eq!(failing.0.load(Ordering::SeqCst), calls);
    }
}

#[subscribe("open", qos = 0)]
async fn open(payload: Bytes, State(gate): State<Gate>) {
    drop(payload);
    gate.open();
}

#[subscribe("work", qos = 2)]
async fn exactly_once(work: Work, State(gate): State<Gate>) {
    gate.pass(work.number).await;
}

fn qos_2(number: u64, id: u16, dup: bool) -> Packet {
    let mut publish = Publish::new("work", QoS::ExactlyOnce, work(number));
    publish.pkid = id;
    publish.dup = dup;
    Packet::Publish(publish)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_qos_2_message_is_handled_once_over_lost_connections() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    let app = App::bare(server.config()).handler::<exactly_once>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app).await;
    connection.send(qos_2(1, 7, false)).await;
    eventually("it is being handled", || gate.begun() == 1).await;
    drop(connection);

    // Sent again while it is being handled.
    let mut connection = server.connected(true).await;
    connection.send(qos_2(1, 7, true)).await;
    gate.open();
    assert!(matches!(connection.next().await, Some(Packet::PubRec(rec)) if rec.pkid == 7));
    drop(connection);

    // Sent again after PUBREC, which the server may not have seen.
    let mut connection = server.connected(true).await;
    connection.send(qos_2(1, 7, true)).await;
    assert!(matches!(connection.next().await, Some(Packet::PubRec(rec)) if rec.pkid == 7));
    connection.send(Packet::PubRel(PubRel::new(7))).await;
    assert!(matches!(connection.next().await, Some(Packet::PubComp(comp)) if comp.pkid == 7));
    assert_eq!(gate.begun(), 1);

    // The identifier is free for another message now.
    connection.send(qos_2(2, 7, false)).await;
    assert!(matches!(connection.next().await, Some(Packet::PubRec(_))));
    assert_eq!(gate.begun(), 2);
}

#[subscribe("work", ack = "on_receive")]
async fn long_running(work: Work, State(gate): State<Gate>) {
    gate.pass(work.number).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_can_give_up_waiting_for_its_end() {
    let server = ScriptedServer::start().await;
    let gate = Gate::closed();
    let app = App::bare(server.config()).handler::<long_running>().state(gate.clone());
    let (_service, mut connection) = server.start_service(app).await;
    connection.deliver("work", &work(1), 1, false).await;
    assert_eq!(connection.puback().await, 1);
    eventually("it runs", || gate.begun() == 1).await;
    assert!(gate.handled.lock().unwrap().is_empty());
}

#[subscribe("work")]
async fn blocks_its_thread(_work: Work) {
    std::thread::sleep(Duration::from_secs(3));
}

#[subscribe("other")]
async fn stays_prompt(_number: Json<u32>) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_blocks_its_thread_stops_neither_pings_nor_others() {
    let server = ScriptedServer::start().await;
    let config = server.config().keep_alive(Duration::from_secs(1));
    let app = App::bare(config).handler::<blocks_its_thread>().handler::<stays_prompt>();
    // On a thread of its own, for the service's threads are what is tested.
    let (server_side, service_side) = tokio::join!(
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let mut connection = server.connected(false).await;
                connection.subscribe().await;
                connection.deliver("work", &work(1), 1, false).await;
                let mut pings = 0;
                let mut next_id = 2;
                loop {
                    match connection.next().await {
                        Some(Packet::PingReq) => {
                            pings += 1;
                            connection.send(Packet::PingResp).await;
                            connection.deliver("other", "1", next_id, false).await;
                            next_id += 1;
                        }
                        Some(Packet::PubAck(ack)) => {
                            assert_eq!(ack.pkid, 1);
                            return pings;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            })
        }),
        app.start()
    );
    let _service = service_side.unwrap();
    assert!(server_side.unwrap() >= 2);
}

#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<Vec<u32>>>);

#[subscribe("flood", queue = 8, qos = 0)]
async fn drowning(Json(number): Json<u32>, State(numbers): State<Numbers>) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    numbers.0.lock().unwrap().push(number);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_qos_0_drops_the_oldest_and_keeps_the_newest() {
    let server = ScriptedServer::start().await;
    let numbers = Numbers::default();
    let app = App::bare(server.config()).handler::<drowning>().state(numbers.clone());
    let (service, mut connection) = server.start_service(app).await;
    for number in 0..10_000 {
        let publish = Publish::new("flood", QoS::AtMostOnce, number.to_string());
        connection.send(Packet::Publish(publish)).await;
    }
    eventually("the newest is handled", || numbers.0.lock().unwrap().contains(&9_999)).await;
    let handled = numbers.0.lock().unwrap().clone();
    assert!(handled.is_sorted());
    assert!(handled.len() < 2_000, "{}", handled.len());
    within("the stop", service.stop()).await.unwrap();
}

#[subscribe("fast", qos = 0)]
async fn keeps_up(Json(number): Json<u32>, State(numbers): State<Numbers>) {
    numbers.0.lock().unwrap().push(number);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_keeps_up_loses_nothing_of_a_flood() {
    let server = ScriptedServer::start().await;
    let numbers = Numbers::default();
    let app = App::bare(server.config()).handler::<keeps_up>().state(numbers.clone());
    let (_service, mut connection) = server.start_service(app).await;
    let mut bytes = bytes::BytesMut::new();
    for number in 0..200_000_u32 {
        let publish = Publish::new("fast", QoS::AtMostOnce, number.to_string());
        publish.write(&mut bytes).unwrap();
    }
    connection.send_bytes(&bytes).await;
    eventually("all are handled", || numbers.0.lock().unwrap().len() == 200_000).await;
    assert!(numbers.0.lock().unwrap().is_sorted());
}
