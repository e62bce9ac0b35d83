use fastrand::Rng;

use super::{SECRET, encoded, host, odd_text, url_with_secret};
use crate::config::BrokerUrl;
use crate::config::redact::redact;
use crate::config::secret::Secret;
use crate::fuzz::{Target, fuzz, mutate, once_in, pick, target};

type Parts<'u> = (&'static str, Option<&'u str>, Option<&'u str>, &'u str, u16, &'u str);

fn parts(url: &BrokerUrl) -> Parts<'_> {
    let password = url.password().map(Secret::expose);
    (url.scheme().name(), url.user(), password, url.host(), url.port(), url.path())
}

fn again(text: &str) -> BrokerUrl {
    BrokerUrl::parse(text).unwrap_or_else(|error| panic!("{text:?} {error}"))
}

fn shown_again_is_the_same(url: &BrokerUrl) {
    let (scheme, user, _, host, port, path) = parts(url);
    let address = again(&url.address());
    assert_eq!(parts(&address), (scheme, None, None, host, port, path), "{url}");
    assert_eq!(address.address(), url.address());
    let shown = again(&url.to_string());
    let stars = user.map(|_| "***");
    assert_eq!(parts(&shown), (scheme, stars, None, host, port, path), "{url}");
    assert_eq!(shown.to_string(), url.to_string());
    assert_eq!(format!("{url:?}"), format!("BrokerUrl({url})"));
}

#[test]
fn a_url_is_read_as_it_was_put_together() {
    fuzz("URLs put together", 10_000, &[("accepted", 99)], |rng| {
        let scheme = pick(rng, &["mqtt", "mqtts", "ws", "wss"]);
        let socket = scheme.starts_with('w');
        let path = if socket { pick(rng, &["", "/", "/mqtt", "/a%20b/c", "/x:y"]) } else { "" };
        let user = rng.bool().then(|| format!("u{}", odd_text(rng)));
        let password = rng.bool().then(|| format!("{}{SECRET}", odd_text(rng)));
        let password = user.as_ref().and(password);
        let (host, port) = (host(rng), rng.bool().then(|| rng.u16(1..)));
        let mut text = format!("{scheme}://");
        if let Some(user) = &user {
            text += &encoded(user);
            text += &password.as_ref().map_or(String::new(), |word| format!(":{}", encoded(word)));
            text.push('@');
        }
        text += host;
        text += &port.map_or(String::new(), |port| format!(":{port}"));
        text += path;
        let url = again(&text);
        let usual = match scheme {
            "mqtt" => 1883,
            "mqtts" => 8883,
            "ws" => 80,
            _ => 443,
        };
        let path = if socket && path.is_empty() { "/mqtt" } else { path };
        let host = host.trim_matches(['[', ']']);
        let expected =
            (scheme, user.as_deref(), password.as_deref(), host, port.unwrap_or(usual), path);
        assert_eq!(parts(&url), expected, "{text:?}");
        assert!(!format!("{url} {url:?} {}", url.address()).contains(SECRET), "{text:?}");
        shown_again_is_the_same(&url);
        "accepted"
    });
}

#[test]
fn any_url_is_refused_or_shown_so_that_it_is_read_again() {
    fuzz("any URLs", 15_000, &[("accepted", 15), ("refused", 20)], |rng| {
        let mut bytes = any(rng).into_bytes();
        for _ in 0..pick(rng, &[0, 0, 1, 2]) {
            mutate(rng, &mut bytes, b"/:@?#%[] .\0a1\xc3");
        }
        check(&String::from_utf8_lossy(&bytes))
    });
}

pub(crate) const TARGET: Target = {
    let make = |rng: &mut Rng| any(rng).into_bytes();
    let check = |input: &[u8]| {
        check(&String::from_utf8_lossy(input));
    };
    target!("urls", make, check)
};

#[test]
fn corpus_of_urls() {
    TARGET.run();
}

fn check(text: &str) -> &'static str {
    let _ = redact(text);
    match BrokerUrl::parse(text) {
        Ok(url) => {
            shown_again_is_the_same(&url);
            if url.password().is_some_and(|password| password.expose().contains(SECRET)) {
                let elsewhere = [url.host(), url.path()].concat().contains(SECRET);
                assert!(elsewhere || !format!("{url} {url:?}").contains(SECRET), "{text:?}");
            }
            "accepted"
        }
        Err(reason) => {
            let begins = ["has ", "is ", "does "].iter().any(|verb| reason.starts_with(verb));
            assert!(begins, "{reason}");
            "refused"
        }
    }
}

fn any(rng: &mut Rng) -> String {
    if once_in(rng, 3) {
        return url_with_secret(rng);
    }
    let user = if rng.bool() { format!("{}@", encoded(&odd_text(rng))) } else { String::new() };
    let port = if rng.bool() { format!(":{}", rng.u32(..70_000)) } else { String::new() };
    let tail = if once_in(rng, 4) { odd_text(rng) } else { String::new() };
    format!("{}://{user}{}{port}{tail}", pick(rng, &["mqtt", "mqtts", "ws", "Wss"]), host(rng))
}

#[test]
fn the_password_of_no_url_is_shown() {
    fuzz("passwords in URLs", 15_000, &[("accepted", 10), ("refused", 30)], |rng| {
        let text = url_with_secret(rng);
        let redacted = redact(&text);
        assert!(!redacted.contains(SECRET), "{text:?} is shown as {redacted:?}");
        match BrokerUrl::parse(&text) {
            Ok(url) => {
                let password = url.password().expect("it has one").expose();
                assert!(password.contains(SECRET), "{text:?}");
                let shown = format!("{url} {url:?} {url:#?} {} {}", url.address(), url.host());
                assert!(!shown.contains(SECRET), "{text:?}: {shown}");
                shown_again_is_the_same(&url);
                "accepted"
            }
            Err(reason) => {
                assert!(!reason.contains(SECRET), "{text:?}: {reason}");
                "refused"
            }
        }
    });
}
