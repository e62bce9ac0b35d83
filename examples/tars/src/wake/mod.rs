//! Wakes up when called.
