//! What the types shared between threads are built from: those of std and tokio.
//!
//! Under `--cfg tars_mqtt_loom`, in tests, they are loom's, and stand-ins for tokio's: loom can only
//! try orders of what it knows of, and tokio's types do not know our name for it. Everything else
//! takes them from std and tokio directly.

#[cfg(all(test, tars_mqtt_loom))]
mod notify;
#[cfg(all(test, tars_mqtt_loom))]
mod per_thread;
#[cfg(all(test, tars_mqtt_loom))]
mod semaphore;
#[cfg(all(test, tars_mqtt_loom))]
pub(crate) mod watch;

#[cfg(not(all(test, tars_mqtt_loom)))]
mod real {
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize};
    pub(crate) use std::sync::{Mutex, MutexGuard};
    pub(crate) use std::thread_local;

    pub(crate) use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};
}

#[cfg(all(test, tars_mqtt_loom))]
mod real {
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicUsize};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) use super::notify::Notify;
    pub(crate) use super::per_thread::{PerThread, per_thread as thread_local};
    pub(crate) use super::semaphore::{Semaphore, SemaphorePermit};
}

pub(crate) use real::*;
