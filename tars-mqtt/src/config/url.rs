use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::percent_decode_str;

use super::redact::is_scheme;
use super::scheme::Scheme;
use super::secret::Secret;

/// What a broker URL looks like, for messages.
pub(super) const FORM: &str = "mqtt://[user[:password]@]host[:port] (or mqtts://, ws://, wss://)";

/// `EMQX`, `HiveMQ`, NATS and `VerneMQ` listen here, and mosquitto takes any path.
const WEBSOCKET_PATH: &str = "/mqtt";

/// Where the broker is: `mqtt://[user[:password]@]host[:port]`, and likewise `mqtts://`, `ws://` and
/// `wss://`; the last two may end in a path, which is `/mqtt` when there is none (`ws://host/` is
/// the root), and a query.
///
/// `Debug` and `Display` show `***` for user name and password, as either may be a secret, and for
/// the query.
#[derive(Clone)]
pub struct BrokerUrl {
    scheme: Scheme,
    user: Option<String>,
    password: Option<Secret>,
    host: String,
    port: u16,
    path: String,
    query: Option<Secret>,
}

impl BrokerUrl {
    /// The broker that is assumed on this machine when no URL is needed.
    pub(super) fn local() -> Self {
        Self {
            scheme: Scheme::Mqtt,
            user: None,
            password: None,
            host: "127.0.0.1".to_owned(),
            port: Scheme::Mqtt.default_port(),
            path: String::new(),
            query: None,
        }
    }

    /// The error says what is wrong and what to write, and quotes nothing of the user or password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(format!("is required, and empty here: write {FORM}"));
        }
        if let Some(at) = text.chars().position(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!(
                "has a blank or control character as character {}: remove it, or percent-encode it \
                 (%20 for a space)",
                at + 1
            ));
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Err(format!("does not begin with a scheme: write {FORM}"));
        };
        let scheme = Scheme::from_name(scheme).ok_or_else(|| {
            // What precedes `://` in another form than a scheme's may be a secret.
            if rest.contains('@') {
                "has another scheme than mqtt, mqtts, ws or wss: write one of these".to_owned()
            } else {
                format!("has the scheme {scheme:?}: write mqtt, mqtts, ws or wss instead")
            }
        })?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (path, query) = path_and_query(scheme, tail)?;
        let (user, password, address) = match authority.rsplit_once('@') {
            None => (None, None, authority),
            Some((login, address)) => {
                let (user, password) = split_login(login)?;
                (Some(user), password, address)
            }
        };
        let (host, port) = split_address(address)?;
        let port = port.unwrap_or(scheme.default_port());
        Ok(Self { scheme, user, password, host, port, path, query })
    }

    /// How the broker is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The user name, decoded.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(super) fn password(&self) -> Option<&Secret> {
        self.password.as_ref()
    }

    /// The host name or address; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, 1 to 65535.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path of a WebSocket URL, beginning with `/`; empty for `mqtt` and `mqtts`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host as it stands in a URL: an IPv6 address in brackets.
    #[must_use]
    pub fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The URL without user, password and query: what can be shown of it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("{}://{}:{}{}", self.scheme, self.bracketed_host(), self.port, self.path)
    }

    /// The query of a WebSocket URL, without its `?`. It may hold a secret.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.query.as_ref().map(Secret::expose)
    }

    /// Whether the host is this machine, so that nothing that is sent there leaves it.
    pub(super) fn is_local(&self) -> bool {
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) => ip.is_loopback() || ip.is_unspecified(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.user.is_some() { "***@" } else { "" };
        let query = if self.query.is_some() { "?***" } else { "" };
        let Self { scheme, port, path, .. } = self;
        write!(f, "{scheme}://{login}{}:{port}{path}{query}", self.bracketed_host())
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

/// `tail` is what follows the authority: empty, or from the first `/`, `?` or `#` on.
fn path_and_query(scheme: Scheme, tail: &str) -> Result<(String, Option<Secret>), String> {
    if tail.contains('@') {
        return Err("has `@` after `/`, `?` or `#`: in a user name or password write %2F for /, \
                    %3F for ?, %23 for # and %40 for @; in a path or query write %40 for @"
            .to_owned());
    }
    let forbidden: &[char] = if scheme.is_websocket() { &['#'] } else { &['?', '#'] };
    if let Some(mark) = tail.chars().find(|mark| forbidden.contains(mark)) {
        let what = if mark == '#' { "fragment" } else { "query" };
        return Err(format!(
            "has a {what}: remove `{mark}` and what follows; write %3F for ? and %23 for # in a \
             user name, password or path"
        ));
    }
    if !scheme.is_websocket() {
        return match tail {
            "" | "/" => Ok((String::new(), None)),
            _ => Err(format!("has a path, and {scheme}:// has none: remove it after the host")),
        };
    }
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:/?%".contains(&b);
    if !tail.bytes().all(plain) || !is_well_encoded(tail) {
        return Err(
            "has a path or query that is not plain ASCII: percent-encode all but letters, \
                    digits, `-._~!$&'()*+,;=:`, `/` and `?`"
                .to_owned(),
        );
    }
    let (path, query) = match tail.split_once('?') {
        Some((path, query)) => (path, Some(Secret::new(query))),
        None => (tail, None),
    };
    let path = if path.is_empty() { WEBSOCKET_PATH } else { path };
    Ok((path.to_owned(), query))
}

fn split_login(login: &str) -> Result<(String, Option<Secret>), String> {
    if login.contains('@') {
        return Err(
            "has more than one `@`: write %40 for @ in the user name or password".to_owned()
        );
    }
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    if user.is_empty() {
        return Err("has no user name before `@`, and MQTT takes a password only together with \
                    one: write user:password@host, or remove `@` and what precedes it"
            .to_owned());
    }
    let user = decode(user, "user name")?;
    let password = decode(password, "password")?;
    Ok((user, (!password.is_empty()).then(|| Secret::new(password))))
}

fn decode(text: &str, what: &str) -> Result<String, String> {
    if !is_well_encoded(text) {
        return Err(format!(
            "has a `%` in the {what} that is not followed by two hexadecimal digits: write %25 for %"
        ));
    }
    percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| {
        format!("has a {what} that does not decode to UTF-8: percent-encode its UTF-8 bytes")
    })
}

fn is_well_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        after.len() >= 2 && after.bytes().take(2).all(|digit| digit.is_ascii_hexdigit())
    })
}

fn split_address(address: &str) -> Result<(String, Option<u16>), String> {
    if let Some(inner) = address.strip_prefix('[') {
        let Some((host, after)) = inner.split_once(']') else {
            return Err("has `[` without `]`: write an IPv6 address as [::1]".to_owned());
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return Err("has brackets around what is no IPv6 address: write one as [::1], and \
                        other hosts without brackets"
                .to_owned());
        }
        let port = match after.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if after.is_empty() => None,
            None => return Err("has text between `]` and the port: remove it".to_owned()),
        };
        return Ok((host.to_owned(), port));
    }
    if address.matches(':').count() > 1 {
        return Err("has more than one `:` after the user: write an IPv6 address in brackets, as \
                    [::1]:1883"
            .to_owned());
    }
    let (host, port) = match address.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    if host.is_empty() {
        return Err(format!("has no host: write {FORM}"));
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return Err("has a host with other characters than letters, digits, `-`, `.` and `_`: \
                    write an international name in its xn-- form"
            .to_owned());
    }
    Ok((host.to_owned(), port.map(parse_port).transpose()?))
}

fn parse_port(text: &str) -> Result<u16, String> {
    let port = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    port.filter(|port| *port != 0).ok_or_else(|| {
        "has something else than a port after `:`: write a number from 1 to 65535, or remove the \
         `:`; if that is a password, write user:password@host"
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
