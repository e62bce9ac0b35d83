//! `thread_local!` for loom, whose threads all run on one thread of the machine.

use std::cell::Cell;

use loom::thread::LocalKey;

/// A cell for each of loom's threads, used as std's `LocalKey<Cell<T>>` is.
pub(crate) struct PerThread<T: 'static>(pub(crate) &'static LocalKey<Cell<T>>);

impl<T: Copy> PerThread<T> {
    pub(crate) fn get(&'static self) -> T {
        self.0.with(Cell::get)
    }

    pub(crate) fn set(&'static self, value: T) {
        self.0.with(|cell| cell.set(value));
    }

    pub(crate) fn replace(&'static self, value: T) -> T {
        self.0.with(|cell| cell.replace(value))
    }
}

macro_rules! per_thread {
    ($(#[$meta:meta])* static $name:ident: Cell<$value:ty> = const { $init:expr };) => {
        $(#[$meta])*
        static $name: $crate::sync::PerThread<$value> = {
            loom::thread_local! { static INNER: Cell<$value> = $init }
            $crate::sync::PerThread(&INNER)
        };
    };
}

pub(crate) use per_thread;
