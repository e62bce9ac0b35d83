//! All services in one process, and a terminal to talk to them.

mod conversation;
mod services;
mod terminal;

pub use services::Stack;
