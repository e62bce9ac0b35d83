//! What tars-mqtt costs, beside a loop written by hand on rumqttc that does the same work in the same
//! run. The load generator is itself the MQTT server, so that no broker bounds what is measured; it
//! and what it measures run in processes of their own.

#![allow(clippy::cast_precision_loss, reason = "figures are for people")]

pub mod in_process;
pub mod load;
pub mod measure;
pub mod message;
pub mod scenario;
pub mod subject;
