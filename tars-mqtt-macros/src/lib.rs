//! The procedural macros of `tars-mqtt`.
