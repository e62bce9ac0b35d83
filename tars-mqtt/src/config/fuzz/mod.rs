//! Configurations and broker URLs: what is read is what was written, and no password is shown.

#[cfg(test)]
mod environment;
pub(crate) mod url;

use fastrand::Rng;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::fuzz::{once_in, pick};

/// Part of every password here, and of nothing else.
const SECRET: &str = "hunter2";

/// Characters that mean something in a URL, or nothing anywhere.
const ODD: [&str; 22] = [
    "a", "b", "1", "@", ":", "/", "?", "#", "%", "%2", "%40", "%zz", "%ff", " ", "\n", "\0", "ü",
    "☃", "[", "]", "://", "\u{7f}",
];

fn odd_text(rng: &mut Rng) -> String {
    (0..rng.usize(..4)).map(|_| pick(rng, &ODD)).collect()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn host(rng: &mut Rng) -> &'static str {
    pick(rng, &["host", "a.b-c_d", "127.0.0.1", "[::1]", "[fe80::1]", "localhost"])
}

/// A URL with a password in it, right or wrong in many ways.
fn url_with_secret(rng: &mut Rng) -> String {
    let scheme = match rng.u8(..8) {
        0..5 => pick(rng, &["mqtt://", "mqtts://", "ws://", "wss://", "MQTT://"]),
        _ => pick(
            rng,
            &["", "http://", "mqtt:/", "mqtt:", "://", "mqtt://mqtt://", "m\u{fc}://", "//"],
        ),
    };
    let tail = match rng.u8(..4) {
        0 => pick(rng, &["/mqtt", "/", "/a%20b", ":1883", ":8883/"]),
        1 => pick(rng, &[":0", ":99999", ":x", "?", "#x", "/a?b", "/☃", " ", ":1:2", "]", "/%"]),
        _ => "",
    };
    let user = if once_in(rng, 3) { encoded(&odd_text(rng)) } else { "user".to_owned() };
    // Its `:` would begin the password before the secret does, which is no less secret.
    let user = if once_in(rng, 8) { odd_text(rng).replace('@', "") } else { user };
    let (before, after) = (odd_text(rng), odd_text(rng));
    let password = format!("{before}{SECRET}{after}");
    let password = if rng.bool() { encoded(&password) } else { password };
    if once_in(rng, 12) {
        // The host is forgotten: without an `@` it is the port that is suspected.
        return format!("{scheme}user:{SECRET}{}", pick(rng, &["", "/", "/x", "?a", "#"]));
    }
    let host = if once_in(rng, 8) {
        pick(rng, &["", "h\u{f6}st", "::1", "[x]", "[", "a b"])
    } else {
        host(rng)
    };
    format!("{scheme}{user}:{password}@{host}{tail}")
}
