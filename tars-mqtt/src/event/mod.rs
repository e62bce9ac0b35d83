//! Typed events and the envelope they travel in.

mod contract;
mod envelope;
mod finite;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))]
pub(crate) mod fuzz;
#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))]
pub(crate) mod fuzz_strict;
mod head;
mod id;
mod info;
mod scan;
mod strict;
mod system;

pub use contract::{Event, TopicField};
pub use envelope::Envelope;
pub(crate) use envelope::{encode, now, read, read_data, utf8};
pub(crate) use head::{Head, Unreadable};
pub(crate) use id::fresh_id;
pub use info::EventInfo;
pub(crate) use system::Heartbeat;
pub use system::{DeadLetter, HealthStatus};
