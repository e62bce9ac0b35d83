//! Declarative MQTT services.

pub mod config;
mod error;
mod qos;
#[cfg(feature = "embedded-broker")]
pub mod broker;

pub use config::Config;
pub use error::{Error, Result};
pub use qos::QoS;
