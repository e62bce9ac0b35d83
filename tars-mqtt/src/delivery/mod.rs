//! How far a message has come: what is on its way out, and what holds an acknowledgement back.

mod dedupe;
#[cfg(all(test, tars_mqtt_loom))]
mod models;
mod outbox;
mod queue;
mod ticket;
mod wake;

pub(crate) use dedupe::{Dedupe, Key, Verdict};
pub(crate) use outbox::{Entry, Outbox};
pub use queue::Overflow;
pub(crate) use queue::{Job, Queue};
pub(crate) use ticket::{Hold, Ticket};
pub(crate) use wake::Wake;
