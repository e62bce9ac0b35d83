//! Measures how long others wait behind one message that a handler holds for a minute, on mosquitto:
//! `cargo run -p tests --bin head_of_line`. The figures are in `docs/delivery.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tars_mqtt::prelude::*;
use tests::{Mosquitto, Spy, eventually, unique_id};

const HELD: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Seen {
    slow: Arc<AtomicUsize>,
    quick: Arc<AtomicUsize>,
}

#[subscribe("slow", timeout = "off")]
async fn among_others(State(seen): State<Seen>) {
    seen.slow.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(HELD).await;
}

#[subscribe("slow", timeout = "off", ack = "on_receive")]
async fn on_receive(State(seen): State<Seen>) {
    seen.slow.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(HELD).await;
}

#[subscribe("slow", timeout = "off", isolated)]
async fn isolated(State(seen): State<Seen>) {
    seen.slow.fetch_add(1, Ordering::SeqCst);
    tokio::time::sleep(HELD).await;
}

#[subscribe("quick")]
async fn quick(State(seen): State<Seen>) {
    seen.quick.fetch_add(1, Ordering::SeqCst);
}

async fn measure(name: &str, window: u32, with_slow: impl FnOnce(App) -> App) {
    let settings = format!("allow_anonymous true\nmax_inflight_messages {window}\n");
    let Some(broker) = Mosquitto::start_with(&settings).await else { return };
    let seen = Seen::default();
    let config = Config::new(broker.url(), unique_id("head")).expect("the settings are valid");
    let app = App::bare(config).handler::<quick>().state(seen.clone());
    let service = with_slow(app).start().await.expect("the service starts");
    let spy = Spy::on(broker.port(), &[]).await;
    spy.publish("slow", "x").await;
    eventually("it is held", || seen.slow.load(Ordering::SeqCst) == 1).await;
    for _ in 0..100 {
        spy.publish("quick", "x").await;
    }
    let handled = || seen.quick.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let soon = handled();
    tokio::time::sleep(HELD - Duration::from_secs(5)).await;
    let before = handled();
    eventually("all", || handled() == 100).await;
    println!(
        "{name}, window of {window}: {soon} of 100 after 1 s, {before} just before the end, all \
         after it"
    );
    service.stop().await.expect("the service stops");
}

#[tokio::main]
async fn main() {
    for window in [20, 200] {
        measure("among others", window, |app| app.handler::<among_others>()).await;
        measure("ack on receive", window, |app| app.handler::<on_receive>()).await;
        measure("isolated", window, |app| app.handler::<isolated>()).await;
    }
}
