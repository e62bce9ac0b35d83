//! Numbered messages, and their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tests::{Relay, Spy, envelope};
use tokio::time::{sleep, timeout};

use crate::ledger::Ledger;

/// The pause between two messages of one level.
const PAUSE: Duration = Duration::from_millis(5);

/// No more are sent while so many are not answered.
const UNDER_WAY: usize = 1000;

#[derive(Serialize, Deserialize, Event)]
#[event("soak.work.one", topic = "soak/work/1", qos = 1)]
struct WorkOne {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("soak.work.two", topic = "soak/work/2", qos = 2)]
struct WorkTwo {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("soak.done.one", topic = "soak/done/1", qos = 1)]
struct DoneOne {
    number: u64,
}

#[derive(Serialize, Deserialize, Event)]
#[event("soak.done.two", topic = "soak/done/2", qos = 2)]
struct DoneTwo {
    number: u64,
}

/// What is sent and counted, until it is told to send no more.
pub struct Traffic {
    over: Arc<AtomicBool>,
    _service: tars_mqtt::Running,
}

impl Traffic {
    pub fn stop_sending(&self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

#[subscribe(concurrency = 4)]
async fn one(done: DoneOne, State(ledger): State<Arc<Ledger>>) {
    ledger.answered(0, done.number);
}

#[subscribe(concurrency = 4, qos = 2)]
async fn two(done: DoneTwo, State(ledger): State<Arc<Ledger>>) {
    ledger.answered(1, done.number);
}

/// Begins to send, over the relay.
pub async fn start(relay: &Relay, ledger: Arc<Ledger>) -> Traffic {
    let config = Config::new(relay.url(), "soak-client")
        .expect("valid settings")
        .keep_alive(Duration::from_secs(5))
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let app = App::bare(config).handler::<one>().handler::<two>().state(ledger.clone());
    let service = app.start().await.expect("the client starts");
    let over = Arc::new(AtomicBool::new(false));
    let client = service.client();
    tokio::spawn(send(client.clone(), ledger.clone(), over.clone(), 0, |number| WorkOne {
        number,
    }));
    tokio::spawn(send(client, ledger, over.clone(), 1, |number| WorkTwo { number }));
    Traffic { over, _service: service }
}

async fn send<E: Event + Serialize + Send + Sync + 'static>(
    client: Client,
    ledger: Arc<Ledger>,
    over: Arc<AtomicBool>,
    level: usize,
    work: impl Fn(u64) -> E,
) {
    for number in 0.. {
        while ledger.open() > UNDER_WAY && !over.load(Ordering::SeqCst) {
            sleep(PAUSE).await;
        }
        if over.load(Ordering::SeqCst) {
            return;
        }
        ledger.sent(level, number);
        let receipt = client.publish(&work(number)).await.expect("it is accepted");
        let ledger = ledger.clone();
        tokio::spawn(async move {
            receipt.delivered().await.expect("what was accepted is delivered");
            ledger.delivered(level, number);
        });
        sleep(PAUSE).await;
    }
}

/// Whether the service answers at the end.
pub async fn answers(port: u16) -> bool {
    let mut spy = Spy::on(port, &["soak/done/1"]).await;
    let number = u64::from(u32::MAX);
    let data = format!(r#"{{"number":{number}}}"#);
    spy.publish("soak/work/1", envelope("soak.work.one", "last", &data)).await;
    // Hostile publishers may still be heard on the same topic.
    let is_answer = |payload: &[u8]| {
        serde_json::from_slice(payload)
            .is_ok_and(|answer: serde_json::Value| answer["data"]["number"] == number)
    };
    let answer = async { while !is_answer(&spy.next().await.payload) {} };
    timeout(Duration::from_secs(30), answer).await.is_ok()
}
