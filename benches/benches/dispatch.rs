//! In process.
fn main() {}
