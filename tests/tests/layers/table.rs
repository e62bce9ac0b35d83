//! The architecture of the runtime: what stands where, and who may name what.

/// The modules of `tars-mqtt/src` from the top to the bottom, and what each may import of those below
/// it. `lib.rs` stands above all and is imported by nobody: it is the crate as programs see it.
pub const LAYERS: &[(&str, &[&str])] = &[
    // How a service is put together, and what its code meets.
    ("testing", &["app", "client", "config", "event", "net", "wire"]),
    ("private", &["app", "config", "delivery", "event", "extract", "handler", "reply", "spec"]),
    (
        "app",
        &["broker", "client", "config", "delivery", "extract", "handler", "net", "session", "spec"],
    ),
    ("reply", &["event", "extract"]),
    ("handler", &["delivery", "event", "extract", "session", "spec", "wire"]),
    ("extract", &["client", "delivery", "event", "spec", "wire"]),
    ("client", &["config", "delivery", "driver", "event", "net", "session", "wire"]),
    // What makes connections and moves bytes, and decides nothing.
    ("driver", &["config", "delivery", "net", "session", "wire"]),
    ("net", &["broker", "config"]),
    ("broker", &[]),
    // What decides about delivery, and waits for nothing.
    ("session", &["config", "delivery", "event", "router", "wire"]),
    ("spec", &["delivery", "event"]),
    ("delivery", &["config", "event", "wire"]),
    // What all of it is about: topics, settings, events, packets.
    ("router", &[]),
    ("config", &[]),
    ("event", &[]),
    ("wire", &[]),
];

/// What stands below all of these and is open to each of them: words that the whole crate speaks.
pub const FOUNDATIONS: &[(&str, &[&str])] = &[
    ("error", &["log"]),
    ("message", &["qos", "text"]),
    ("backoff", &[]),
    ("log", &[]),
    ("panics", &[]),
    ("qos", &[]),
    ("sync", &[]),
    ("task", &[]),
    ("text", &[]),
];

/// Paths that only some places may name. What is exchanged one day (the codec, the broker, what TLS
/// is made with) is known in few places.
pub const KEPT_IN: &[(&str, &[&str])] = &[
    (
        "rumqttc",
        // The packets that programs send and watch are those of rumqttc.
        &["wire/v4", "wire/raw", "wire/tap", "driver/handshake", "client/transport", "testing"],
    ),
    ("crate::wire::v4", &["wire", "driver", "testing"]),
    ("mqtt5", &["broker"]),
    ("rustls", &["net"]),
    ("tokio_rustls", &["net"]),
    ("tokio_tungstenite", &["net"]),
    ("tokio::net", &["net", "broker", "app/meeting"]),
];

/// All that the session may name of tokio: types that it holds, of which none waits.
pub const TOKIO_IN_SESSION: &[&str] =
    &["tokio::sync::oneshot", "tokio::sync::watch", "tokio::time::Instant"];

/// What the session may not do: it is told the time, and whoever drives it waits.
pub const NOT_IN_SESSION: &[&str] = &[
    "async",
    ".await",
    ".elapsed",
    "Instant::now",
    "SystemTime",
    // Asks the clock for the time that `allow_at` is told.
    ".allow",
    "std::net",
    "std::thread",
];
