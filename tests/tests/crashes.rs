//! At least once, to the end: over processes that are killed and links that are cut.
//!
//! Each test prints what it did, so that a run can be reported.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rumqttc::Publish;
use serde::{Deserialize, Serialize};
use tars_mqtt::Subscription;
use tars_mqtt::prelude::*;
use tests::{LIMIT, Mosquitto, Process, Program, Relay, Spy, json, unique_id};

const MESSAGES: u64 = 10_000;

#[derive(Serialize, Deserialize, Event)]
struct Work {
    number: u64,
}

fn worker(url: &str, id: &str) -> Process {
    Program::new(env!("CARGO_BIN_EXE_worker"))
        .env("MQTT_URL", url)
        .env("MQTT_CLIENT_ID", id)
        .env("MQTT_RECONNECT_MIN_DELAY", "0.1")
        .env("MQTT_RECONNECT_MAX_DELAY", "0.5")
        .env("RUST_LOG", "error")
        .start()
}

/// A worker whose session the broker has: before that there is nothing to lose.
async fn ready_worker(mosquitto: &Mosquitto, url: &str, id: &str) -> Process {
    let service = worker(url, id);
    Spy::on(mosquitto.port(), &[&format!("system/health/{id}")]).await.next().await;
    service
}

async fn connect(mosquitto: &Mosquitto, name: &str) -> Client {
    let config = Config::new(mosquitto.url(), unique_id(name))
        .expect("valid settings")
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    Client::connect(config).await.expect("a connection")
}

/// Publishes all the work; each is with the broker when this ends.
async fn publish_all(client: Client) {
    let mut receipts = Vec::new();
    for number in 0..MESSAGES {
        receipts.push(client.publish(&Work { number }).await.expect("it is accepted"));
    }
    for receipt in receipts {
        receipt.delivered().await.expect("it is delivered");
    }
}

fn number(publish: &Publish) -> u64 {
    json(publish)["data"]["number"].as_u64().expect("a number")
}

/// Collects answers until there is one to each message. Fails when no new one comes for long.
async fn answers(spy: &mut Spy) -> HashMap<u64, u32> {
    answers_counted(spy, &AtomicUsize::default()).await
}

/// As [`answers`], telling how many there are.
async fn answers_counted(spy: &mut Spy, answered: &AtomicUsize) -> HashMap<u64, u32> {
    let mut answers: HashMap<u64, u32> = HashMap::new();
    let mut last = Instant::now();
    while answers.len() < usize::try_from(MESSAGES).expect("it fits") {
        let next = tokio::time::timeout(Duration::from_millis(100), spy.next()).await;
        if let Ok(publish) = next {
            let count = answers.entry(number(&publish)).or_default();
            *count += 1;
            if *count == 1 {
                last = Instant::now();
                answered.store(answers.len(), Ordering::Release);
            }
        }
        assert!(last.elapsed() < LIMIT, "{} of {MESSAGES} answered", answers.len());
    }
    answers
}

/// As [`answers`], seen by a client that comes back to its broker.
async fn answers_of(done: &mut Subscription<Done>) -> HashMap<u64, u32> {
    let mut answers: HashMap<u64, u32> = HashMap::new();
    while answers.len() < usize::try_from(MESSAGES).expect("it fits") {
        let new = async {
            loop {
                let number = done.next().await.expect("the stream").data.number;
                let count = answers.entry(number).or_default();
                *count += 1;
                if *count == 1 {
                    return;
                }
            }
        };
        tests::within("another answer", new).await;
    }
    answers
}

fn report(what: &str, faults: usize, answers: &HashMap<u64, u32>, since: Instant) {
    let doubled = answers.values().filter(|&&count| count > 1).count();
    let lost = (0..MESSAGES).filter(|number| !answers.contains_key(number)).count();
    println!(
        "{what}: {faults} faults, {MESSAGES} messages, {lost} lost, {doubled} doubled, {:?}",
        since.elapsed()
    );
}

/// Sleeps for a time that looks random and is the same in each run.
async fn a_while(round: u64, from: u64, to: u64) {
    let millis = from + round * 7919 % (to - from);
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_service_is_killed_twenty_times() {
    let Some(mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let id = unique_id("worker");
    let mut service = ready_worker(&mosquitto, &mosquitto.url(), &id).await;
    let mut spy = Spy::on(mosquitto.port(), &["done"]).await;
    let publishing = tokio::spawn(publish_all(connect(&mosquitto, "publisher").await));
    let url = mosquitto.url();
    let killing = tokio::spawn(async move {
        for round in 0..20 {
            a_while(round, 50, 250).await;
            service.kill();
            service = worker(&url, &id);
        }
        service
    });
    let answers = answers(&mut spy).await;
    publishing.await.expect("all is published");
    drop(killing.await.expect("all is killed"));
    report("the service killed", 20, &answers, begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_service_is_told_to_stop_under_load() {
    let Some(mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let id = unique_id("worker");
    let mut service = ready_worker(&mosquitto, &mosquitto.url(), &id).await;
    let mut spy = Spy::on(mosquitto.port(), &["done"]).await;
    let publishing = tokio::spawn(publish_all(connect(&mosquitto, "publisher").await));
    let url = mosquitto.url();
    let stopping = tokio::spawn(async move {
        for round in 0..10 {
            a_while(round, 50, 250).await;
            service.signal("TERM");
            let told = Instant::now();
            assert_eq!(service.exit_code().await, 0);
            // Its timeout is 5 s.
            assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
            service = worker(&url, &id);
        }
        service
    });
    let answers = answers(&mut spy).await;
    publishing.await.expect("all is published");
    drop(stopping.await.expect("it stops each time"));
    report("the service told to stop", 10, &answers, begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_broker_ends_and_starts_again() {
    let Some(mut mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let id = unique_id("worker");
    let _service = ready_worker(&mosquitto, &mosquitto.url(), &id).await;
    let publisher = connect(&mosquitto, "publisher").await;
    let collector = connect(&mosquitto, "collector").await;
    let mut done = collector.subscribe::<Done>("done").await.expect("a subscription");
    let publishing = tokio::spawn(publish_all(publisher));
    let restarting = tokio::spawn(async move {
        for round in 0..20 {
            a_while(round, 50, 300).await;
            // In order, so that it stores what it has acknowledged; killed, it loses some of that.
            mosquitto.stop().await;
            mosquitto.restart().await;
        }
        mosquitto
    });
    let answers = answers_of(&mut done).await;
    publishing.await.expect("all is published");
    drop(restarting.await.expect("the broker runs"));
    report("the broker ended", 20, &answers, begun);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_service_and_broker_end_together() {
    let Some(mut mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let id = unique_id("worker");
    let mut service = ready_worker(&mosquitto, &mosquitto.url(), &id).await;
    let publisher = connect(&mosquitto, "publisher").await;
    let collector = connect(&mosquitto, "collector").await;
    let mut done = collector.subscribe::<Done>("done").await.expect("a subscription");
    let publishing = tokio::spawn(publish_all(publisher));
    let restarting = tokio::spawn(async move {
        for round in 0..10 {
            a_while(round, 100, 400).await;
            service.kill();
            mosquitto.stop().await;
            mosquitto.restart().await;
            service = worker(&mosquitto.url(), &id);
        }
        (service, mosquitto)
    });
    let answers = answers_of(&mut done).await;
    publishing.await.expect("all is published");
    drop(restarting.await.expect("both run"));
    report("service and broker ended", 10, &answers, begun);
}

/// What a broker loses that is killed, having acknowledged it, nobody can bring back. But service and
/// client are there again each time, and work.
#[tokio::test(flavor = "multi_thread")]
async fn after_each_kill_of_the_broker_the_service_answers_again() {
    let Some(mut mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let _service = worker(&mosquitto.url(), &unique_id("worker"));
    let config = Config::new(mosquitto.url(), unique_id("asker"))
        .expect("valid settings")
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let client = Client::connect(config).await.expect("a connection");
    for round in 0..20 {
        let mut answered = false;
        let since = Instant::now();
        while !answered {
            assert!(since.elapsed() < LIMIT, "deaf after kill {round}");
            let work = Work { number: round };
            let asked = client.request::<_, Done>(&work).timeout(Duration::from_secs(1)).await;
            answered = asked.is_ok_and(|answer| answer.data.number == round);
        }
        mosquitto.kill();
        mosquitto.restart().await;
    }
    println!("the broker killed: 20 faults, answered after each, {:?}", begun.elapsed());
}

#[derive(Serialize, Deserialize, Event)]
struct Done {
    number: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_link_is_cut_every_200_ms() {
    let Some(mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let id = unique_id("worker");
    let relay = Relay::to(mosquitto.port()).await;
    let _service = ready_worker(&mosquitto, &relay.url(), &id).await;
    let mut spy = Spy::on(mosquitto.port(), &["done"]).await;
    let publishing = tokio::spawn(publish_all(connect(&mosquitto, "publisher").await));
    let answered = Arc::new(AtomicUsize::new(0));
    let progress = answered.clone();
    let all = usize::try_from(MESSAGES).expect("it fits");
    let cutting = tokio::spawn(async move {
        let (mut faults, mut before) = (0, 0);
        while before < all {
            tokio::time::sleep(Duration::from_millis(200)).await;
            // On a busy machine a connection may take longer to be made.
            let now = progress.load(Ordering::Acquire);
            if now > before {
                relay.cut();
                faults += 1;
                before = now;
            }
        }
        faults
    });
    let answers = answers_counted(&mut spy, &answered).await;
    publishing.await.expect("all is published");
    report("the link cut", cutting.await.expect("the relay runs"), &answers, begun);
}

#[derive(Clone, Default)]
struct Handled(Arc<std::sync::Mutex<HashMap<u64, u32>>>);

#[subscribe("work", concurrency = 16)]
async fn count(work: Work, State(handled): State<Handled>) {
    tokio::time::sleep(Duration::from_micros(work.number * 7919 % 3000)).await;
    *handled.0.lock().expect("nothing panics").entry(work.number).or_default() += 1;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_duplicates_filtered_nothing_is_handled_twice_while_the_link_is_cut_fifty_times() {
    let Some(mosquitto) = Mosquitto::start().await else { return };
    let begun = Instant::now();
    let relay = Relay::to(mosquitto.port()).await;
    let config = Config::new(relay.url(), unique_id("dedupe"))
        .expect("valid settings")
        .dedupe(Duration::from_secs(60), 20_000)
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let handled = Handled::default();
    let service =
        App::bare(config).handler::<count>().state(handled.clone()).start().await.expect("a start");
    let publishing = tokio::spawn(publish_all(connect(&mosquitto, "publisher").await));
    for round in 0..50 {
        a_while(round, 20, 200).await;
        relay.cut();
    }
    let count = || handled.0.lock().expect("nothing panics").len() as u64;
    let mut last = (count(), Instant::now());
    while count() < MESSAGES {
        if count() > last.0 {
            last = (count(), Instant::now());
        }
        assert!(last.1.elapsed() < LIMIT, "{} of {MESSAGES} handled", count());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    publishing.await.expect("all is published");
    service.stop().await.expect("it stops");
    let handled = handled.0.lock().expect("nothing panics");
    let twice = handled.values().filter(|&&times| times > 1).count();
    assert_eq!(twice, 0, "handled twice");
    report("the link cut, duplicates filtered", 50, &handled, begun);
}
