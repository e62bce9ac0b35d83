//! Turns commands into servo frames.
