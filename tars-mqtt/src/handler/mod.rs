//! Handlers: what the macro says of them, and the tasks that run them.

mod call;
mod check;
mod failed;
mod failure;
mod letter;
mod neighbours;
mod run;
mod told;
mod worker;

use std::future::Future;
use std::sync::Arc;

pub use check::{Argument, check_dead_letter, check_filter, check_payload, check_topic};
pub use failure::Failure;
pub(crate) use neighbours::{Neighbours, Retained};
pub(crate) use worker::{Limits, Worker};

use crate::extract::{Context, Requirements};
use crate::spec::HandlerSpec;

/// A function annotated with [`#[subscribe]`](crate::subscribe), as a type of its name.
///
/// The attribute implements it; it is not meant to be implemented by hand.
pub trait Handler: Send + Sync + 'static {
    /// What was written about it.
    const SPEC: HandlerSpec;

    /// Takes the arguments from a message, calls the function, and publishes what it returns.
    fn call(context: &Context) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Which states it needs.
    fn requirements(requirements: &mut Requirements<'_>);
}

/// A handler in the program's registry.
#[derive(Clone, Copy)]
pub struct Registration {
    pub(crate) spec: &'static HandlerSpec,
    pub(crate) requirements: fn(&mut Requirements<'_>),
    pub(crate) spawn: fn(Arc<Worker>) -> tokio::task::JoinHandle<()>,
}

impl Registration {
    /// The entry of a handler.
    #[must_use]
    pub const fn of<H: Handler>() -> Self {
        Self { spec: const { &H::SPEC }, requirements: H::requirements, spawn: worker::spawn::<H> }
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registration").field(&self.spec.name).finish()
    }
}

inventory::collect!(Registration);
