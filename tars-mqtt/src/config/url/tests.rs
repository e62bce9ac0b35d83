use super::BrokerUrl;
use crate::config::scheme::Scheme;

fn parse(text: &str) -> BrokerUrl {
    BrokerUrl::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

fn password(url: &BrokerUrl) -> Option<&str> {
    url.password().map(crate::config::secret::Secret::expose)
}

#[test]
fn every_scheme_has_its_default_port_in_any_case() {
    for (text, scheme, port, path) in [
        ("mqtt://host", Scheme::Mqtt, 1883, ""),
        ("mqtts://host", Scheme::Mqtts, 8883, ""),
        ("ws://host", Scheme::Ws, 80, "/mqtt"),
        ("wss://host", Scheme::Wss, 443, "/mqtt"),
        ("MQTT://host", Scheme::Mqtt, 1883, ""),
    ] {
        let url = parse(text);
        assert_eq!((url.scheme(), url.port(), url.path()), (scheme, port, path), "{text}");
        assert_eq!(url.host(), "host");
        assert_eq!((url.user(), password(&url)), (None, None));
    }
}

#[test]
fn a_port_is_1_to_65535() {
    for (text, port) in [("1", 1), ("65535", 65535), ("01883", 1883)] {
        assert_eq!(parse(&format!("mqtt://host:{text}")).port(), port);
    }
    for text in ["", "0", "65536", "-1", "+1", "1.5", "http", "99999999999999999999"] {
        let reason = BrokerUrl::parse(&format!("mqtt://host:{text}")).expect_err("a refusal");
        assert!(reason.contains("a number from 1 to 65535"), "{text}: {reason}");
    }
}

#[test]
fn user_and_password_are_percent_decoded() {
    let url = parse("mqtt://d%C3%A9j%C3%A0%40vu:p%40ss%2Fw%3Ard%25@host");
    assert_eq!(url.user(), Some("déjà@vu"));
    assert_eq!(password(&url), Some("p@ss/w:rd%"));
}

#[test]
fn a_password_may_hold_a_colon_and_may_be_left_out() {
    assert_eq!(password(&parse("mqtt://u:a:b@host")), Some("a:b"));
    for text in ["mqtt://u@host", "mqtt://u:@host"] {
        let url = parse(text);
        assert_eq!((url.user(), password(&url)), (Some("u"), None));
    }
}

#[test]
fn ipv6_stands_in_brackets() {
    let url = parse("mqtt://u:p@[fe80::1]:1884");
    assert_eq!((url.host(), url.port()), ("fe80::1", 1884));
    assert_eq!(url.address(), "mqtt://[fe80::1]:1884");
    assert_eq!(parse("mqtt://[::1]").port(), 1883);
    for (text, word) in [
        ("mqtt://::1", "in brackets"),
        ("mqtt://fe80::1:1883", "in brackets"),
        ("mqtt://[::1", "without `]`"),
        ("mqtt://[host]", "no IPv6 address"),
        ("mqtt://[127.0.0.1]", "no IPv6 address"),
        ("mqtt://[::1]1883", "between `]` and the port"),
    ] {
        let reason = BrokerUrl::parse(text).expect_err("a refusal");
        assert!(reason.contains(word), "{text}: {reason}");
    }
}

#[test]
fn only_websockets_have_a_path() {
    assert_eq!(parse("ws://host/").path(), "/");
    assert_eq!(parse("wss://host:8443/a/b%20c").path(), "/a/b%20c");
    assert_eq!(parse("mqtt://host/").path(), "");
    for text in ["mqtt://host/mqtt", "mqtts://host//"] {
        assert!(BrokerUrl::parse(text).expect_err("a refusal").contains("has a path"), "{text}");
    }
    for text in ["ws://host/ä", "ws://host/%2", "ws://host/a\"b"] {
        assert!(BrokerUrl::parse(text).expect_err("a refusal").contains("plain ASCII"), "{text}");
    }
}

#[test]
fn what_cannot_be_read_says_what_to_write() {
    for (text, word) in [
        ("", "empty here"),
        ("host", "does not begin with a scheme"),
        ("host:1883", "does not begin with a scheme"),
        ("://host", "does not begin with a scheme"),
        ("u:p://x@host", "does not begin with a scheme"),
        ("http://host", "the scheme \"http\": write mqtt, mqtts, ws or wss"),
        ("mqtt://", "has no host"),
        ("mqtt://:1883", "has no host"),
        ("mqtt://u:p@", "has no host"),
        ("mqtt://host name", "as character 12"),
        ("mqtt://host\n", "as character 12"),
        ("mqtt://host,other", "a host with other characters"),
        ("mqtt://bücher", "xn--"),
        ("mqtt://host?x=1", "remove `?`"),
        ("ws://host/mqtt#x", "remove `#`"),
        ("ws://host/mqtt?x#y", "remove `#`"),
        ("ws://host/mqtt?x=ä", "plain ASCII"),
        ("ws://host/mqtt?x=%2", "plain ASCII"),
        ("ws://host/mqtt?x=a@b", "write %40 for @"),
        ("mqtt://u:a/b@host", "write %2F for /"),
        ("ws://u:80/b@host", "write %2F for /"),
        ("mqtt://u:a#b@host", "%23 for #"),
        ("mqtt://u:a@b@host", "write %40 for @"),
        ("mqtt://@host", "no user name before `@`"),
        ("mqtt://:secret@host", "no user name before `@`"),
        ("mqtt://u%:p@host", "`%` in the user name"),
        ("mqtt://u:100%@host", "`%` in the password"),
        ("mqtt://u:%zz@host", "`%` in the password"),
        ("mqtt://u:%FF@host", "password that does not decode to UTF-8"),
        ("mqtt://%FF@host", "user name that does not decode to UTF-8"),
    ] {
        let reason = BrokerUrl::parse(text).expect_err("a refusal");
        assert!(reason.contains(word), "{text}: {reason}");
    }
}

#[test]
fn neither_debug_nor_display_show_user_password_or_query() {
    for text in [
        "mqtt://us%40er:hunter2@host",
        "mqtt://ghp_hunter2@host",
        "mqtt://ghp_hunter2:@host",
        "mqtt://ghp_hunter2:x-oauth-basic@host",
    ] {
        let url = parse(text);
        assert_eq!(url.to_string(), "mqtt://***@host:1883");
        assert_eq!(format!("{url:?}"), "BrokerUrl(mqtt://***@host:1883)");
        assert_eq!(url.address(), "mqtt://host:1883");
    }
    assert_eq!(parse("wss://u@[::1]/x").to_string(), "wss://***@[::1]:443/x");
    assert_eq!(parse("ws://host").to_string(), "ws://host:80/mqtt");
    assert_eq!(parse("ws://host/a?key=hunter2").to_string(), "ws://host:80/a?***");
}

#[test]
fn a_websocket_url_may_have_a_query() {
    for (text, path, query) in [
        ("ws://host/mqtt?x=1&y=%20", "/mqtt", Some("x=1&y=%20")),
        ("wss://host?x=a/b?c", "/mqtt", Some("x=a/b?c")),
        ("ws://u:p@host:81/?", "/", Some("")),
        ("ws://host/mqtt", "/mqtt", None),
    ] {
        let url = parse(text);
        assert_eq!((url.path(), url.query()), (path, query), "{text}");
        assert!(!url.address().contains('?'), "{text}");
    }
}

#[test]
fn a_host_of_this_machine_is_known_as_one() {
    for host in ["localhost", "LOCALHOST.", "a.localhost", "127.1.2.3", "[::1]", "0.0.0.0"] {
        assert!(parse(&format!("mqtt://{host}")).is_local(), "{host}");
    }
    assert!(parse("mqtt://[::ffff:127.0.0.1]").is_local());
    for host in ["localhost.example", "notlocalhost", "10.0.0.1", "[fe80::1]", "128.0.0.1"] {
        assert!(!parse(&format!("mqtt://{host}")).is_local(), "{host}");
    }
}

#[test]
fn no_reason_quotes_a_password() {
    for text in [
        "mqtt://u:hunter2",
        "u:hunter2://x@host",
        "mqtt://u:hunter2%@host",
        "mqtt://u:hunter2/@host",
        "mqtt://u:hunter2@host@x",
        "mqtt://u:hunter2@ho:st:1",
        "mqtt://u:hunter2 @host",
        "hunter2@host",
    ] {
        let reason = BrokerUrl::parse(text).expect_err("a refusal");
        assert!(!reason.contains("hunter2"), "{text}: {reason}");
    }
}
