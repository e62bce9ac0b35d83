use std::time::Duration;

use super::{Defaults, assemble, line, load, loaded, names, only, os};
use crate::config::Config;
use crate::config::tests::Scratch;

#[test]
fn the_url_and_the_client_id_are_required() {
    let error = only(&[], Defaults::default()).expect_err("two problems");
    assert_eq!(names(&error), ["MQTT_URL", "MQTT_CLIENT_ID"]);
    let lines = error.to_string();
    assert!(lines.starts_with("MQTT_URL: is required and not set: must be mqtt://"), "{lines}");
}

#[test]
fn an_empty_url_or_client_id_is_refused_as_missing() {
    let url = line(&[("MQTT_URL", "")]);
    assert!(
        url.starts_with("MQTT_URL = \"\": is required, and empty here: write mqtt://"),
        "{url}"
    );
    let id = line(&[("MQTT_CLIENT_ID", "")]);
    assert!(id.starts_with("MQTT_CLIENT_ID = \"\": must be 1 to 65535 bytes"), "{id}");
}

#[test]
fn without_a_url_an_embedded_broker_is_wanted_where_there_can_be_one() {
    let vars = os(&[("MQTT_CLIENT_ID", "svc")]).into_iter();
    let config = assemble(vars, Defaults::default(), true).expect("a valid configuration");
    assert!(config.local.url_missing);
    assert_eq!(config.wants_embedded_broker(), cfg!(feature = "embedded-broker"));
    assert_eq!(config.url().to_string(), "mqtt://127.0.0.1:1883");

    let vars = os(&[("MQTT_CLIENT_ID", "svc"), ("MQTT_URL", "mqtt://host")]).into_iter();
    let config = assemble(vars, Defaults::default(), true).expect("a valid configuration");
    assert!(!config.wants_embedded_broker());

    let vars = os(&[("MQTT_CLIENT_ID", "svc"), ("MQTT_URL", "")]).into_iter();
    assert!(assemble(vars, Defaults::default(), true).is_err());
}

#[test]
fn a_client_id_is_one_topic_level_of_1_to_65535_bytes() {
    let longest = "é".repeat(32767) + "x";
    for id in ["a", "tars-llm", "ä b", "$x", &longest] {
        assert_eq!(loaded(&[("MQTT_CLIENT_ID", id)]).client_id(), id);
    }
    let too_long = "x".repeat(65536);
    for id in ["a/b", "/", "+", "a#", "a\0b", &too_long] {
        let line = line(&[("MQTT_CLIENT_ID", id)]);
        assert!(line.ends_with("must be 1 to 65535 bytes without `/`, `+`, `#` and NUL"), "{line}");
    }
}

#[test]
fn client_ids_and_names_with_blanks_quotes_or_newlines_are_refused_and_not_trimmed() {
    for (variable, value) in [
        ("MQTT_CLIENT_ID", "svc\n"),
        ("MQTT_CLIENT_ID", " svc"),
        ("MQTT_CLIENT_ID", "\"svc\""),
        ("MQTT_CLIENT_ID", "s\u{7}vc"),
        ("MQTT_SOURCE_NAME", "worker\r\n"),
        ("MQTT_SOURCE_NAME", "'worker'"),
        ("MQTT_URL", "mqtt://me%0A@host"),
        ("MQTT_URL", "mqtt://%20me:x@host"),
        ("MQTT_URL", "mqtt://\"me\"@host"),
    ] {
        let line = line(&[(variable, value)]);
        assert!(line.starts_with(variable) && line.contains("remove"), "{line}");
    }
    for (variable, value) in [("MQTT_URL", "\"mqtt://host\""), ("MQTT_KEEPALIVE", "'60'")] {
        let line = line(&[(variable, value)]);
        assert!(
            line.ends_with(
                "it is in quotation marks, which are taken as a part of it: remove them"
            ),
            "{line}"
        );
    }
}

#[test]
fn the_source_name_is_the_client_id_unless_given() {
    assert_eq!(loaded(&[]).source_name(), "svc");
    assert_eq!(loaded(&[("MQTT_SOURCE_NAME", "a/b")]).source_name(), "a/b");
    assert!(line(&[("MQTT_SOURCE_NAME", "")]).contains("must not be empty"));
}

#[test]
fn keepalive_is_whole_seconds_from_1_to_3600() {
    for (text, seconds) in [("1", 1), ("3600", 3600), (" 30 ", 30)] {
        let config = loaded(&[("MQTT_KEEPALIVE", text)]);
        assert_eq!(config.keep_alive_interval(), Duration::from_secs(seconds));
    }
    for text in ["", "abc", "0", "3601", "-1", "1.5", "60.0", "60s", "18446744073709551616"] {
        let expected = format!("MQTT_KEEPALIVE = \"{text}\": must be whole seconds from 1 to 3600");
        assert_eq!(line(&[("MQTT_KEEPALIVE", text)]), expected);
    }
}

#[test]
fn an_unreadable_boolean_is_an_error_and_not_a_default() {
    for name in ["MQTT_ENABLE_HEALTH", "MQTT_ENABLE_HEARTBEAT", "MQTT_CLEAN_SESSION"] {
        for text in ["", "maybe", "2", "tru"] {
            let expected =
                format!("{name} = \"{text}\": must be true, false, 1, 0, yes, no, on or off");
            assert_eq!(line(&[(name, text)]), expected);
        }
        for (text, value) in
            [("Yes", true), ("ON", true), ("1", true), ("off", false), ("0", false)]
        {
            let config = loaded(&[(name, text)]);
            let set = [
                config.health_enabled(),
                config.heartbeat_interval().is_some(),
                config.is_clean_session(),
            ];
            assert_eq!(set.contains(&true), value, "{name}={text}");
        }
    }
}

#[test]
fn heartbeat_needs_both_its_switch_and_at_least_a_second() {
    let on = ("MQTT_ENABLE_HEARTBEAT", "true");
    let every = |config: Config| config.heartbeat_interval().map(|d| d.as_secs_f64());
    assert_eq!(every(loaded(&[])), None);
    assert_eq!(every(loaded(&[on])), Some(5.0));
    assert_eq!(every(loaded(&[("MQTT_HEARTBEAT_INTERVAL", "2")])), None);
    assert_eq!(every(loaded(&[on, ("MQTT_HEARTBEAT_INTERVAL", "1")])), Some(1.0));
    assert_eq!(every(loaded(&[on, ("MQTT_HEARTBEAT_INTERVAL", "2.5")])), Some(2.5));
    for text in ["", "0.999", "0", "-5", "inf", "NaN", "x"] {
        assert!(line(&[("MQTT_HEARTBEAT_INTERVAL", text)]).ends_with("seconds, at least 1"));
    }
}

#[test]
fn a_ttl_of_zero_recognises_no_duplicates() {
    let entries = ("MQTT_DEDUPE_MAX_ENTRIES", "10");
    assert_eq!(loaded(&[]).dedupe_window(), None);
    assert_eq!(loaded(&[("MQTT_DEDUPE_TTL", "0"), entries]).dedupe_window(), None);
    assert_eq!(loaded(&[entries]).dedupe_window(), None);
    let half = Duration::from_millis(500);
    assert_eq!(loaded(&[("MQTT_DEDUPE_TTL", "0.5"), entries]).dedupe_window(), Some((half, 10)));
    for text in ["", "-1", "inf", "x"] {
        assert!(line(&[("MQTT_DEDUPE_TTL", text)]).contains("must be seconds, at least 0"));
    }
    for text in ["", "-1", "1.5", "many"] {
        let line = line(&[("MQTT_DEDUPE_MAX_ENTRIES", text)]);
        assert!(line.contains("must be a whole number"), "{line}");
    }
}

#[test]
fn reconnect_delays_have_lower_bounds() {
    let (min, max) = ("MQTT_RECONNECT_MIN_DELAY", "MQTT_RECONNECT_MAX_DELAY");
    let delays = loaded(&[(min, "0.1"), (max, "0.5")]).reconnect_delays();
    assert_eq!(delays, (Duration::from_millis(100), Duration::from_millis(500)));
    for text in ["", "0.09", "0", "-1", "x", "inf"] {
        assert!(line(&[(min, text)]).ends_with("must be seconds, at least 0.1"));
    }
    for text in ["", "0.49", "0", "-1", "x", "nan"] {
        let line = line(&[(min, "0.1"), (max, text)]);
        assert!(line.contains("must be seconds, at least 0.5"), "{line}");
    }
}

#[test]
fn the_packet_size_is_1024_to_268435455_bytes() {
    for (text, bytes) in [("1024", 1024), ("268435455", 268_435_455)] {
        assert_eq!(loaded(&[("MQTT_MAX_PACKET_SIZE", text)]).packet_limit(), bytes);
    }
    for text in ["", "1023", "268435456", "-1", "1MiB", "1e6"] {
        let line = line(&[("MQTT_MAX_PACKET_SIZE", text)]);
        assert!(line.ends_with("must be whole bytes from 1024 to 268435455"), "{line}");
    }
}

#[test]
fn the_shutdown_timeout_may_be_zero() {
    for (text, seconds) in [("0", 0.0), ("2.5", 2.5)] {
        let limit = loaded(&[("MQTT_SHUTDOWN_TIMEOUT", text)]).shutdown_limit();
        assert_eq!(limit, Duration::from_secs_f64(seconds));
    }
    for text in ["", "-1", "x", "inf"] {
        let line = line(&[("MQTT_SHUTDOWN_TIMEOUT", text)]);
        assert!(line.ends_with("must be seconds, at least 0"), "{line}");
    }
}

#[test]
fn the_publish_timeout_is_more_than_zero_or_none() {
    assert_eq!(loaded(&[]).publish_limit(), None);
    for (text, limit) in [("2.5", Some(2.5)), ("none", None), (" NONE ", None), ("0", None)] {
        let found = loaded(&[("MQTT_PUBLISH_TIMEOUT", text)]).publish_limit();
        assert_eq!(found, limit.map(Duration::from_secs_f64), "{text}");
    }
    for text in ["", "-1", "never", "inf"] {
        let line = line(&[("MQTT_PUBLISH_TIMEOUT", text)]);
        assert!(line.contains("must be seconds, more than 0, or `none`"), "{line}");
    }
}

#[test]
fn joining_a_local_broker_is_off_unless_asked_for() {
    for (vars, joins) in [(&[][..], false), (&[("MQTT_JOIN_LOCAL_BROKER", "yes")], true)] {
        assert_eq!(loaded(vars).local.join_any, joins);
    }
    assert!(line(&[("MQTT_JOIN_LOCAL_BROKER", "maybe")]).contains("must be true, false"));
}

#[test]
fn a_password_file_completes_the_user_of_the_url() {
    let file = Scratch::new(b"hunter2\n");
    let config = loaded(&[("MQTT_URL", "mqtt://me@host"), ("MQTT_PASSWORD_FILE", file.path())]);
    assert_eq!(config.login(), Some(("me", Some("hunter2"))));
    assert!(!format!("{config:?} {config}").contains("hunter2"));
    assert_eq!(loaded(&[("MQTT_URL", "mqtt://me@host")]).login(), Some(("me", None)));
    let line = line(&[("MQTT_URL", "mqtt://me@host"), ("MQTT_PASSWORD_FILE", "/no/such")]);
    assert!(line.starts_with("MQTT_PASSWORD_FILE = \"/no/such\": must be the path"), "{line}");
}

#[test]
fn a_password_in_the_place_of_its_file_is_not_shown() {
    let line = line(&[("MQTT_URL", "mqtt://me@host"), ("MQTT_PASSWORD_FILE", "hunter2")]);
    assert!(line.starts_with("MQTT_PASSWORD_FILE = \"***\": must be the path"), "{line}");
}

#[test]
fn a_scheme_whose_feature_is_off_names_the_feature() {
    for (url, enabled, word) in [
        ("mqtts://host", cfg!(feature = "tls"), "cargo feature `tls`"),
        ("ws://host", cfg!(feature = "websocket"), "cargo feature `websocket`"),
        ("wss://host", cfg!(all(feature = "tls", feature = "websocket")), "cargo feature"),
    ] {
        match load(&[("MQTT_URL", url)]) {
            Ok(_) => assert!(enabled, "{url}"),
            Err(error) => assert!(!enabled && error.to_string().contains(word), "{error}"),
        }
    }
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_table() {
    let error = load(&[
        ("MQTT_SHUTDOWN_TIMEOUT", "soon"),
        ("MQTT_KEEPALIVE", "0"),
        ("MQTT_CLIENT_ID", "a/b"),
        ("MQTT_ENABLE_HEALTH", "perhaps"),
        ("MQTT_URL", "mqtt://me:hunter2@host:99999"),
        ("MQTT_DEDUPE_TTL", "30"),
    ])
    .expect_err("six problems");
    assert_eq!(
        names(&error),
        [
            "MQTT_URL",
            "MQTT_CLIENT_ID",
            "MQTT_KEEPALIVE",
            "MQTT_ENABLE_HEALTH",
            "MQTT_DEDUPE_MAX_ENTRIES",
            "MQTT_SHUTDOWN_TIMEOUT"
        ]
    );
    let lines = error.to_string();
    assert_eq!(lines.lines().count(), 6);
    assert!(lines.contains("mqtt://***@host:99999"));
    assert!(!format!("{lines} {error:?}").contains("hunter2"));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_utf8_is_a_problem_and_is_not_shown() {
    use std::os::unix::ffi::OsStringExt;
    for name in ["MQTT_URL", "MQTT_KEEPALIVE", "MQTT_PASSWORD_FILE", "TARS_MQTT_CONFIG"] {
        let mut vars = os(&super::BASE);
        vars.retain(|(known, _)| known != name);
        vars.push((name.into(), std::ffi::OsString::from_vec(b"hunter2\xFF".to_vec())));
        vars.push((std::ffi::OsString::from_vec(b"MQTT_\xFF".to_vec()), "x".into()));
        vars.push((std::ffi::OsString::from_vec(b"\xFF".to_vec()), "x".into()));
        let error = assemble(vars.into_iter(), Defaults::default(), false).expect_err("a problem");
        assert_eq!(error.to_string(), format!("{name}: has a value that is not UTF-8"));
    }
}

#[test]
fn unknown_variables_are_warned_about_with_the_nearest_name_and_without_their_value() {
    let config = loaded(&[
        ("MQTT_KEEPALVE", "hunter2"),
        ("MQTT_PASSWORD", "hunter2"),
        ("MQTT_CONFIG", "hunter2"),
        ("MQTT_enable_health", "1"),
        ("MQTTX", "1"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(
        config.warnings(),
        [
            "MQTT_CONFIG is not a setting; did you mean TARS_MQTT_CONFIG?",
            "MQTT_KEEPALVE is not a setting; did you mean MQTT_KEEPALIVE?",
            "MQTT_PASSWORD is not a setting; did you mean MQTT_PASSWORD_FILE?",
            "MQTT_enable_health is not a setting; did you mean MQTT_ENABLE_HEALTH?",
        ]
    );
}

#[cfg(not(feature = "config-file"))]
#[test]
fn a_file_that_cannot_be_read_for_want_of_a_feature_is_refused_with_what_to_do() {
    let error = super::load(&[("TARS_MQTT_CONFIG", "tars.toml")]).expect_err("a problem");
    let text = error.to_string();
    assert!(
        text.starts_with("TARS_MQTT_CONFIG = \"tars.toml\": needs the cargo feature"),
        "{text}"
    );
    assert!(text.contains("`config-file`"), "{text}");
}
