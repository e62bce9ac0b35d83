//! MQTT topic names, filters and patterns.
