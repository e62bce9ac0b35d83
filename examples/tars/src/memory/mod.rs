//! Remembers what is said, and finds it again.
