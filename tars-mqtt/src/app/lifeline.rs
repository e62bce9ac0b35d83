use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

use crate::delivery::Wake;
use crate::task::BoxFuture;

/// How long a handler that blocks its thread can keep the others from being served, and what it has
/// published from being sent.
const INTERVAL: Duration = Duration::from_millis(250);

/// The same while handlers have something to do.
const BUSY: Duration = Duration::from_millis(10);

/// Keeps the runtime awake while a handler blocks one of its threads.
///
/// The thread of tokio that waits for sockets and timers also runs tasks. If it runs one that does
/// not return, and no other thread happens to be awake, sockets and timers stand still although
/// threads are idle: no pings, no acknowledgements. A task spawned from outside wakes one of them,
/// which then takes over the waiting. It also wakes the connection for what such a handler has left
/// for it.
///
/// A runtime with a single thread cannot be helped this way.
#[derive(Debug)]
pub(super) struct Lifeline {
    _alive: Option<Arc<()>>,
}

impl Lifeline {
    /// Watches over the current runtime until it is dropped.
    pub(super) fn hold(wake: Arc<Wake>) -> Self {
        let runtime = Handle::current();
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            return Self { _alive: None };
        }
        let alive = Arc::new(());
        let watched = Arc::downgrade(&alive);
        let started = std::thread::Builder::new()
            .name("tars-mqtt-lifeline".to_owned())
            .spawn(move || watch(&watched, &runtime, &wake));
        if let Err(error) = started {
            tracing::warn!("handlers that block their thread may hold up the connection: {error}");
        }
        Self { _alive: Some(alive) }
    }
}

fn watch(watched: &Weak<()>, runtime: &Handle, wake: &Wake) {
    let mut interval = INTERVAL;
    while watched.strong_count() > 0 {
        std::thread::sleep(interval);
        interval = if wake.wake_for_others() { BUSY } else { (interval * 2).min(INTERVAL) };
        let nothing: BoxFuture<()> = Box::pin(async {});
        drop(runtime.spawn(nothing));
    }
}
