//! Settings of a service.
