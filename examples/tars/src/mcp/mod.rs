//! The tools that a language model may call.
