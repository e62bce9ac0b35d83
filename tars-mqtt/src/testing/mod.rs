//! Running a service in a test, with no broker and no socket.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use tars_mqtt::prelude::*;
//! use tars_mqtt::testing::TestApp;
//!
//! #[derive(Serialize, Deserialize, Event)]
//! struct LlmRequest { text: String }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize, Event)]
//! struct LlmResponse { reply: String }
//!
//! #[subscribe]
//! async fn answer(request: LlmRequest) -> LlmResponse {
//!     LlmResponse { reply: request.text.to_uppercase() }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> tars_mqtt::Result<()> {
//! let app = TestApp::start(App::bare(TestApp::config()).handler::<answer>()).await?;
//! app.deliver(&LlmRequest { text: "hi".into() }).await;
//! assert_eq!(app.published::<LlmResponse>()[0].data, LlmResponse { reply: "HI".into() });
//! app.stop().await?;
//! # Ok(())
//! # }
//! ```

mod dial;
mod peer;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dial::InProcess;
use peer::{Delivery, Peer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tars_mqtt_topic::patterns_overlap;
use tokio::sync::{mpsc, oneshot};

use crate::app::{App, Running};
use crate::client::Client;
use crate::config::Config;
use crate::error::Result;
use crate::event::{Envelope, Event, encode, fresh_id, read};
use crate::message::Message;
use crate::qos::QoS;

/// Published behind what a test waits for, and not shown to it.
const BARRIER: &str = "tars-mqtt/testing/barrier";

/// A service that runs in the process, with the test in the place of the broker.
///
/// Messages take the same way as in production: they are encoded, routed, queued, filtered,
/// handled, answered and acknowledged.
pub struct TestApp {
    running: Running,
    published: Arc<Mutex<Vec<Message>>>,
    deliveries: mpsc::Sender<Delivery>,
    /// Held by whoever delivers: one after the other.
    delivering: tokio::sync::Mutex<()>,
}

impl TestApp {
    /// Settings for a service in a test: client id `test-app`, health, heartbeat and the filter for
    /// duplicates off.
    ///
    /// # Panics
    ///
    /// Never: the settings are fixed.
    #[must_use]
    pub fn config() -> Config {
        match Config::new("mqtt://in.process", "test-app") {
            Ok(config) => config,
            Err(error) => unreachable!("the settings are fixed: {error}"),
        }
    }

    /// Starts a service. Whatever broker its settings name is not asked.
    ///
    /// # Errors
    ///
    /// As [`App::start`].
    pub async fn start(mut app: App) -> Result<Self> {
        let (connections, accepted) = mpsc::channel(1);
        let (deliveries, to_deliver) = mpsc::channel(16);
        let published = Arc::<Mutex<Vec<Message>>>::default();
        tokio::spawn(Peer::new(accepted, to_deliver, published.clone()).run());
        app.dialer = Some(Arc::new(InProcess(connections)));
        let running = app.start().await?;
        Ok(Self { running, published, deliveries, delivering: tokio::sync::Mutex::default() })
    }

    /// The client of the service.
    #[must_use]
    pub fn client(&self) -> Client {
        self.running.client()
    }

    /// Delivers an event on its topic, in an envelope with a new id from `test`. Returns when all
    /// handlers that match it are done, however it went, and what they returned has been published.
    ///
    /// # Panics
    ///
    /// When the event cannot be encoded.
    pub async fn deliver<E: Event + Serialize>(&self, event: &E) {
        self.deliver_with_id(event, &fresh_id()).await;
    }

    /// As [`deliver`](Self::deliver), with this correlation id.
    ///
    /// # Panics
    ///
    /// When the event cannot be encoded.
    pub async fn deliver_with_id<E: Event + Serialize>(&self, event: &E, id: &str) {
        let encoded = encode(event, id, "test")
            .and_then(|payload| event.topic().map(|topic| (topic.into_owned(), payload)));
        match encoded {
            Ok((topic, payload)) => self.send(topic, payload, E::QOS, E::RETAIN).await,
            Err(error) => panic!("the event cannot be delivered: {error}"),
        }
    }

    /// Delivers any bytes on any topic, at QoS 1. Returns as [`deliver`](Self::deliver) does.
    pub async fn deliver_message(&self, topic: impl Into<String>, payload: impl Into<Bytes>) {
        self.send(topic.into(), payload.into(), QoS::AtLeastOnce, false).await;
    }

    async fn send(&self, topic: String, payload: Bytes, qos: QoS, retain: bool) {
        let _one_at_a_time = self.delivering.lock().await;
        let (done, answered) = oneshot::channel();
        // A service that has stopped handles nothing.
        if self.deliveries.send(Delivery { topic, payload, qos, retain, done }).await.is_err() {
            return;
        }
        if answered.await.is_ok() && qos == QoS::AtMostOnce {
            // No packet tells that it has been handled.
            self.running.idle().await;
        }
        // What handlers returned at QoS 0 is not acknowledged; but it goes out before this.
        if let Ok(receipt) = self.client().message(BARRIER).send().await {
            let _ = receipt.delivered().await;
        }
    }

    /// The events of one kind that have been published until now, in order.
    #[must_use]
    pub fn published<E: Event + DeserializeOwned>(&self) -> Vec<Envelope<E>> {
        self.published_messages()
            .iter()
            .filter(|message| !E::BARE || patterns_overlap(E::TOPIC, message.topic()))
            .filter_map(|message| read(message.payload()).ok())
            .collect()
    }

    /// All messages that have been published until now, in order.
    #[must_use]
    pub fn published_messages(&self) -> Vec<Message> {
        let published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        published.iter().filter(|message| message.topic() != BARRIER).cloned().collect()
    }

    /// Stops the service in order.
    ///
    /// # Errors
    ///
    /// As [`Running::stop`].
    pub async fn stop(self) -> Result<()> {
        self.running.stop().await
    }
}

impl fmt::Debug for TestApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestApp").field("running", &self.running).finish_non_exhaustive()
    }
}
