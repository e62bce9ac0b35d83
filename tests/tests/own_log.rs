//! What collects the log may panic too. Alone in its program: what tracing knows of who wants which line is
//! shared by all threads, also by those of other tests that collect nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::testing::TestApp;
use tests::within;
use tracing::{Event as LogEvent, Subscriber};
use tracing_subscriber::layer::{Context as LayerContext, Layer};
use tracing_subscriber::prelude::*;

#[derive(Debug, Serialize, Deserialize, Event)]
struct Order {
    wish: String,
}

#[subscribe("order")]
async fn order(order: Order, State(handled): State<Arc<Mutex<Vec<String>>>>) {
    assert_ne!(order.wish, "panic");
    handled.lock().unwrap().push(order.wish);
}

/// A place for the log that panics over some of it.
struct Picky(Arc<AtomicUsize>);

impl<S: Subscriber> Layer<S> for Picky {
    fn on_event(&self, event: &LogEvent<'_>, _: LayerContext<'_, S>) {
        let level = *event.metadata().level();
        if level == tracing::Level::ERROR && self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            panic!("the log is full");
        }
    }
}

#[tokio::test]
async fn a_handler_works_on_although_what_collects_its_log_panics() {
    let errors = Arc::<AtomicUsize>::default();
    let collector = tracing_subscriber::registry().with(Picky(errors.clone()));
    let _guard = tracing::subscriber::set_default(collector);
    let handled = Arc::<Mutex<Vec<String>>>::default();
    let app = App::bare(TestApp::config().dedupe(Duration::from_secs(60), 100))
        .handler::<order>()
        .state(handled.clone());
    let app = TestApp::start(app).await.unwrap();
    within("the one that panics", app.deliver(&Order { wish: "panic".to_owned() })).await;
    for _ in 0..3 {
        within("the next", app.deliver(&Order { wish: "well".to_owned() })).await;
    }
    assert!(errors.load(Ordering::SeqCst) >= 2, "it is told that the task began anew");
    assert_eq!(handled.lock().unwrap().len(), 3);
    app.stop().await.unwrap();
}
