//! The events of all services: what is sent where, and within which bounds.
//!
//! A field that is left out takes the value that it has in [`Default`], and all are always written.
//! What must be there, and what is out of bounds, is refused when it is read, with a text that names
//! the field, what was found and what is allowed:
//!
//! ```
//! use tars::contracts::TtsSay;
//!
//! let say = TtsSay { text: "Hello.".into(), ..TtsSay::default() };
//! assert_eq!(say.lang, None);
//! assert_eq!(say.message_id.len(), 32);
//! ```

mod bounds;
mod camera;
mod character;
mod defaults;
mod health;
mod llm;
mod memory;
mod movement;
mod stt;
mod tools;
mod tts;
mod wake;

pub use camera::*;
pub use character::*;
pub use defaults::{Id, Timestamp};
pub use health::*;
pub use llm::*;
pub use memory::*;
pub use movement::*;
pub use stt::*;
pub use tools::*;
pub use tts::*;
pub use wake::*;

/// A JSON object of any content.
pub type Object = serde_json::Map<String, serde_json::Value>;
