#![doc = include_str!("../README.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod app;
mod backoff;
#[cfg(feature = "embedded-broker")]
pub mod broker;
mod client;
pub mod config;
mod delivery;
mod driver;
mod error;
mod event;
pub mod extract;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports, missing_docs))]
mod fuzz;
mod handler;
mod log;
mod message;
mod net;
mod panics;
mod qos;
pub mod reply;
mod router;
mod session;
mod spec;
mod sync;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod wire;

pub use app::{App, Running};
pub use bytes::Bytes;
pub use client::{
    Client, EventBuilder, Health, MessageBuilder, Receipt, Request, Subscription,
    SubscriptionBuilder, Transport,
};
pub use config::Config;
pub use error::{BoxError, Error, MissingState, Refusal, Result};
pub use event::{DeadLetter, Envelope, Event, HealthStatus};
pub use extract::{Context, Json, State};
#[cfg(fuzzing)]
#[doc(hidden)]
pub use fuzz::{Target as __FuzzTarget, targets as __fuzz_targets};
pub use message::Message;
pub use qos::QoS;
pub use reply::Replies;
/// The crate whose packets [`Transport`] sends and shows.
pub use rumqttc;
pub use session::ConnectionState;
pub use tars_mqtt_macros::{Event, main, subscribe};
pub use wire::{Direction, Traffic};

/// What nearly every service needs.
pub mod prelude {
    pub use crate::{
        App, Bytes, Client, Config, Context, Envelope, Event, Json, Message, QoS, Replies, State,
        subscribe,
    };
}
