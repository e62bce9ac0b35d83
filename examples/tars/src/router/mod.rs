//! Decides what becomes of what is said.
