//! What is shared between threads here, in every order that the memory model allows: see `.ci/loom`.
//!
//! A model says what must hold however its threads are interleaved. One that waits for a wake-up that
//! never comes is a deadlock to loom, so that a wake-up which is lost fails its model.

mod outbox;
mod outbox_link;
mod queue;
mod queue_stream;
mod ticket;
mod wake;

use std::sync::Arc;

use bytes::Bytes;
use loom::future::block_on;
use loom::model::Builder;
use loom::thread::JoinHandle;

use super::{Job, Ticket, Wake};
use crate::message::Message;
use crate::qos::QoS;

/// Tries every order in which no more than this many times a thread is interrupted that could go on:
/// faults that need more are rare, and what is tried grows with its power.
fn check(interruptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(interruptions));
    builder.check(model);
}

/// Waits as the session does: it looks, and sleeps until it is woken to look again.
fn wait_until(wake: &Wake, mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        block_on(wake.woken());
    }
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        thread.join().expect("it ends well");
    }
}

/// A message with a ticket, and that ticket.
fn job(wake: &Arc<Wake>, qos: QoS) -> (Job, Arc<Ticket>) {
    let hold = Ticket::open(wake);
    let ticket = hold.ticket().clone();
    (Job { message: message(qos), hold: Some(hold) }, ticket)
}

fn message(qos: QoS) -> Message {
    Message { topic: "t".into(), payload: Bytes::new(), qos, retain: false, dup: false }
}
