//! The services of the TARS robot: what they say to each other ([`contracts`]), and a module for each
//! service, which a program of its own runs (`src/bin/`).

pub mod camera;
pub mod contracts;
pub mod llm;
pub mod mcp;
pub mod memory;
pub mod movement;
pub mod phrases;
pub mod router;
pub mod shown;
pub mod stack;
pub mod stt;
pub mod tts;
pub mod vars;
pub mod wake;
pub mod web;

/// The pieces of programs in the document about patterns.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/patterns.md")]
struct Patterns;

/// And in the document about migration.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migration.md")]
struct Migration;
