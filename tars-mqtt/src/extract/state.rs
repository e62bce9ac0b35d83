use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;

use super::{Context, FromMessage, Rejection};

/// Something that was handed to [`App::state`](crate::App::state), by its type.
///
/// Each call of a handler gets a clone: wrap what is shared or costly in an `Arc`.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use tars_mqtt::prelude::*;
///
/// #[subscribe("door/opened")]
/// async fn count(State(opened): State<Arc<AtomicU64>>, _door: Bytes) {
///     opened.fetch_add(1, Ordering::Relaxed);
/// }
/// # fn main() -> tars_mqtt::Result<()> {
/// # let config = Config::new("mqtt://localhost", "door")?;
/// let app = App::new(config).state(Arc::new(AtomicU64::new(0)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromMessage for State<T> {
    fn from_message(context: &Context) -> Result<Self, Rejection> {
        context.state::<T>().map(Self).ok_or_else(|| {
            Rejection::new(format!("no {} was handed to App::state", type_name::<T>()))
        })
    }

    fn requirements(requirements: &mut Requirements) {
        requirements.state::<T>();
    }
}

/// What an app was given, by type.
#[derive(Default)]
pub(crate) struct States(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl States {
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, state: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(state));
    }

    pub(crate) fn get<T: Clone + 'static>(&self) -> Option<T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref::<T>().cloned()
    }
}

/// Collects which states a handler needs.
pub struct Requirements<'a> {
    states: &'a States,
    missing: Vec<&'static str>,
}

impl<'a> Requirements<'a> {
    pub(crate) fn new(states: &'a States) -> Self {
        Self { states, missing: Vec::new() }
    }

    /// The handler calls [`Context::state`] for this type.
    pub fn state<T: 'static>(&mut self) {
        if !self.states.0.contains_key(&TypeId::of::<T>()) {
            self.missing.push(type_name::<T>());
        }
    }

    pub(crate) fn missing(self) -> Vec<&'static str> {
        self.missing
    }
}

impl fmt::Debug for Requirements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirements").field("missing", &self.missing).finish_non_exhaustive()
    }
}
