//! The events of all services: what is sent where, and within which bounds.
