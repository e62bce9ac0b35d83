use std::net::Ipv6Addr;

use super::scheme::Scheme;

/// A broker URL that may be malformed, without anything that could be a password, or a user name,
/// which is a secret where it is a token.
///
/// What follows the last `@` is the host even where characters before it should have been
/// percent-encoded. Before it only a scheme of ours is one: `user://secret@host` may be a user with
/// the password `//secret`. Without an `@`, a "port" that is none may be the password of a URL whose
/// host was forgotten.
pub(super) fn redact(text: &str) -> String {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest))
            if Scheme::from_name(scheme).is_some()
                || (is_scheme(scheme) && !rest.contains('@')) =>
        {
            (&text[..scheme.len() + 3], rest)
        }
        _ => ("", text),
    };
    let rest = match rest.rsplit_once('@') {
        Some((_, host)) => format!("***@{}", without_query(host)),
        None => without_query(&without_false_port(rest)),
    };
    format!("{scheme}{rest}")
}

pub(super) fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

fn without_false_port(rest: &str) -> String {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.parse::<Ipv6Addr>().is_ok() {
        return rest.to_owned();
    }
    let host_len = match authority.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        Some((address, _)) if address.parse::<Ipv6Addr>().is_ok() => address.len() + 2,
        _ => 0,
    };
    let (host, after) = rest.split_at(host_len);
    match after.split_once(':') {
        None => rest.to_owned(),
        Some((_, tail)) if begins_with_port(tail) && !tail.contains(':') => rest.to_owned(),
        Some(_) => format!("{host}***:***"),
    }
}

fn begins_with_port(tail: &str) -> bool {
    let port = tail.split(['/', '?', '#']).next().unwrap_or_default();
    (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit())
}

fn without_query(text: &str) -> String {
    match text.find(['?', '#']) {
        Some(at) => format!("{}***", &text[..=at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn no_form_of_url_shows_its_password_or_user_name() {
        for (found, shown) in [
            ("mqtt://user:hunter2@host:1883", "mqtt://***@host:1883"),
            ("mqtt://user:hun@ter2@host", "mqtt://***@host"),
            ("mqtt://user:hun/ter2@host", "mqtt://***@host"),
            ("mqtt://user:hun#ter2@host/x", "mqtt://***@host/x"),
            ("mqtt://user:a://hunter2@host", "mqtt://***@host"),
            ("mqtt://:hunter2@host", "mqtt://***@host"),
            ("mqtt://hunter2@host", "mqtt://***@host"),
            ("mqtt://hunter2:@host", "mqtt://***@host"),
            ("mqtt://hunter2:x-oauth-basic@ho st", "mqtt://***@ho st"),
            ("mqtt://hunter2@", "mqtt://***@"),
            ("hunter2@host", "***@host"),
            ("user:hunter2@host", "***@host"),
            ("user:a://hunter2@host", "***@host"),
            ("mqtt:user:hunter2@host", "***@host"),
            ("user://hunter2@host:8883/", "***@host:8883/"),
            ("user://hunter2://%40%@host", "***@host"),
            ("http://user:hunter2@host", "***@host"),
            ("mqtt://mqtt://user:hunter2@host", "mqtt://***@host"),
            ("mqtt://user:hunter2", "mqtt://***:***"),
            ("mqtt://user:hunter2/host", "mqtt://***:***"),
            ("mqtt://user:1234567", "mqtt://***:***"),
            ("mqtt:/user:hunter2", "***:***"),
            ("mqtt://host:1883:hunter2", "mqtt://***:***"),
            ("mqtt://[::1]:hunter2", "mqtt://[::1]***:***"),
            ("mqtt://[user:hunter2", "mqtt://***:***"),
            ("mqtt://host?password=hunter2", "mqtt://host?***"),
            ("mqtt://user@host?password=hunter2", "mqtt://***@host?***"),
            ("mqtt://host:1883#hunter2", "mqtt://host:1883#***"),
        ] {
            assert_eq!(redact(found), shown);
        }
    }

    #[test]
    fn what_holds_no_secret_is_shown_as_it_is() {
        for url in [
            "",
            "localhost",
            "localhost:1883",
            "http://host:99999/path",
            "mqtt://::1",
            "mqtt://fe80::1:1883/",
            "mqtt://[::1]:1883/x",
        ] {
            assert_eq!(redact(url), url);
        }
    }
}
