//! A handler's own code may panic wherever it is run: that fails its message, and nothing else.

use std::fmt;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use futures_util::{Stream, stream};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tars_mqtt::extract::{FromMessage, Rejection};
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tars_mqtt::{DeadLetter, Error};
use tests::within;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Order {
    wish: String,
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("it was dropped");
    }
}

/// Shown only with a panic.
#[derive(Debug)]
struct Odd(bool);

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 { panic!("it cannot be shown") } else { f.write_str("odd") }
    }
}

impl std::error::Error for Odd {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        panic!("it has no cause")
    }
}

#[derive(Debug, Event)]
struct Unwritable {}

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("it cannot be written")
    }
}

#[derive(Debug, Event)]
struct Unreadable {}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("it cannot be read")
    }
}

struct Untakeable;

impl FromMessage for Untakeable {
    fn from_message(_: &Context) -> Result<Self, Rejection> {
        panic!("it cannot be taken")
    }
}

struct Unparseable;

impl std::str::FromStr for Unparseable {
    type Err = Odd;

    fn from_str(text: &str) -> Result<Self, Odd> {
        if text == "error" { Err(Odd(true)) } else { panic!("it cannot be parsed") }
    }
}

struct Uncloneable;

impl Clone for Uncloneable {
    fn clone(&self) -> Self {
        panic!("it cannot be cloned")
    }
}

#[subscribe("order", dead_letter = "dead/order", timeout = "200ms")]
async fn order(order: Order, State(handled): State<Arc<Mutex<Vec<String>>>>) -> Result<(), Odd> {
    let _held = (order.wish == "hang and panic").then(|| PanicsWhenDropped);
    match order.wish.as_str() {
        "hang and panic" => std::future::pending().await,
        "hang with a runtime" => {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            std::future::pending::<()>().await;
            drop(runtime);
        }
        "panic" => panic!("no"),
        "panic oddly" => std::panic::panic_any(PanicsWhenDropped),
        "unshowable" => return Err(Odd(true)),
        "without a cause" => return Err(Odd(false)),
        wish => handled.lock().unwrap().push(wish.to_owned()),
    }
    Ok(())
}

#[subscribe("stream", dead_letter = "dead/stream")]
async fn streams() -> Replies<impl Stream<Item = Order> + Send> {
    Replies(stream::poll_fn(|_| -> Poll<Option<Order>> { panic!("it cannot flow") }))
}

#[subscribe("unwritable", dead_letter = "dead/unwritable")]
async fn unwritable() -> Unwritable {
    Unwritable {}
}

#[subscribe("unreadable", dead_letter = "dead/unreadable")]
async fn unreadable(_event: Unreadable) {}

#[subscribe("untakeable", dead_letter = "dead/untakeable")]
async fn untakeable(_taken: Untakeable) {}

#[subscribe("unparseable/{part}", dead_letter = "dead/unparseable")]
async fn unparseable(part: Unparseable) {
    let _ = &part;
}

#[subscribe("uncloneable", dead_letter = "dead/uncloneable")]
async fn uncloneable(State(state): State<Uncloneable>) {
    let _ = &state;
}

fn reason(app: &TestApp) -> String {
    app.published::<DeadLetter>().last().expect("a dead letter").data.reason.clone()
}

#[tokio::test]
async fn a_handler_that_panics_anywhere_fails_its_message_alone() {
    let handled = Arc::<Mutex<Vec<String>>>::default();
    let app = App::bare(TestApp::config()).handler::<order>().state(handled.clone());
    let app = TestApp::start(app).await.unwrap();
    let wishes = [
        ("hang and panic", "it panicked while it was dropped: it was dropped"),
        ("hang with a runtime", "it panicked while it was dropped"),
        ("panic", "it panicked: no"),
        ("panic oddly", "a panic without a message"),
        ("unshowable", "it cannot be shown"),
        ("without a cause", "it has no cause"),
    ];
    for (wish, expected) in wishes {
        within(wish, app.deliver(&Order { wish: wish.to_owned() })).await;
        assert!(reason(&app).contains(expected), "{wish}: {}", reason(&app));
        within("the next", app.deliver(&Order { wish: "well".to_owned() })).await;
    }
    assert_eq!(handled.lock().unwrap().len(), wishes.len());
    app.stop().await.unwrap();
}

#[tokio::test]
async fn what_a_handler_takes_and_returns_may_panic_too() {
    let app = App::bare(TestApp::config())
        .handler::<streams>()
        .handler::<unwritable>()
        .handler::<unreadable>()
        .handler::<untakeable>()
        .handler::<unparseable>()
        .handler::<uncloneable>()
        .state(Uncloneable);
    let app = TestApp::start(app).await.unwrap();
    let unreadable = tests::envelope("unreadable", "1", "{}");
    for (topic, payload, expected) in [
        ("stream", "", "it cannot flow"),
        ("unwritable", "", "it cannot be written"),
        ("unreadable", unreadable.as_str(), "it cannot be read"),
        ("untakeable", "", "it cannot be taken"),
        ("unparseable/panic", "", "it cannot be parsed"),
        ("unparseable/error", "", "it cannot be shown"),
        ("uncloneable", "", "it cannot be cloned"),
    ] {
        for _ in 0..2 {
            within(topic, app.deliver_message(topic, payload.to_owned())).await;
            assert!(reason(&app).contains(expected), "{topic}: {}", reason(&app));
        }
    }
    assert_eq!(app.published::<DeadLetter>().len(), 14);
    app.stop().await.unwrap();
}

#[tokio::test]
async fn a_panic_in_on_ready_is_its_error() {
    let app = App::bare(TestApp::config())
        .handler::<unwritable>()
        .on_ready(|_| async { if true { panic!("not ready") } else { Ok::<(), Error>(()) } });
    let error = TestApp::start(app).await.unwrap_err();
    assert!(matches!(error, Error::OnReady(_)), "{error}");
    assert!(error.to_string().contains("it panicked: not ready"), "{error}");
}

/// Tells a handler, which blocks its thread for that, that a message has been seen.
#[derive(Clone)]
struct Seen(Arc<Mutex<mpsc::Receiver<()>>>);

#[subscribe("block/{how}")]
async fn blocks(how: String, client: Client, State(seen): State<Seen>) {
    let message = client.message("said/before");
    match how.as_str() {
        "until it was seen" => {
            message.send().await.unwrap();
            // Until the test has it, or has failed.
            let _ = seen.0.lock().unwrap().recv_timeout(2 * tests::LIMIT);
        }
        "for its receipt" => tokio::task::block_in_place(|| {
            let runtime = tokio::runtime::Handle::current();
            runtime.block_on(async {
                message.send().await.unwrap().delivered().await.unwrap();
                client.message("said/after").send().await.unwrap();
            });
        }),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_a_handler_publishes_before_it_blocks_its_thread_goes_out_at_once() {
    tests::on_each_broker(|broker| async move {
        let config = broker.config("blocks").shutdown_timeout(Duration::from_millis(100));
        let (sees, seen) = mpsc::channel();
        let app = App::bare(config).handler::<blocks>().state(Seen(Arc::new(Mutex::new(seen))));
        let service = app.start().await.unwrap();
        let mut spy = tests::Spy::on(broker.port(), &["said/#"]).await;
        spy.publish("block/for its receipt", "").await;
        spy.next_on("said/before").await;
        spy.next_on("said/after").await;
        spy.publish("block/until it was seen", "").await;
        spy.next_on("said/before").await;
        sees.send(()).unwrap();
        drop(service);
    })
    .await;
}
