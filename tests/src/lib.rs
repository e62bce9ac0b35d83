//! What the tests stand on: brokers to run against, a server that a test drives packet by packet, a
//! relay that breaks connections, programs in processes of their own, and an independent client that
//! looks on.
//!
//! Everything here panics when it does not get what a test needs.

#![allow(clippy::should_implement_trait)]

mod brokers;
mod external;
mod logs;
mod mosquitto;
mod process;
mod relay;
mod scripted;
mod spy;
mod wait;

pub use brokers::{Broker, not_run, on_each_broker, on_each_broker_with};
pub use external::{External, Feature};
pub use logs::Logs;
pub use mosquitto::{Mosquitto, free_port};
pub use process::{Process, Program};
pub use relay::{Relay, Tap};
pub use scripted::{Connection, ScriptedServer};
pub use spy::{Spy, json};
pub use wait::{LIMIT, acknowledged, eventually, within};

use std::sync::atomic::{AtomicU32, Ordering};

/// A client id that no other test uses.
pub fn unique_id(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An envelope as another service would send it.
pub fn envelope(event_type: &str, id: &str, data: &str) -> String {
    format!(r#"{{"id":"{id}","type":"{event_type}","ts":1.5,"source":"tests","data":{data}}}"#)
}

/// The programs in the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
