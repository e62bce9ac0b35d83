use std::time::Duration;

use super::{Defaults, line, load, loaded, names, only};
use crate::config::tests::Scratch;
use crate::config::{Config, ConfigError, Origin};

const BOTH: &str = "[mqtt]\nurl = 'mqtt://host'\nclient_id = 'svc'\n";

fn file(content: &str) -> Result<Config, ConfigError> {
    let file = Scratch::new(content.as_bytes());
    only(&[("TARS_MQTT_CONFIG", file.path())], Defaults::default())
}

fn mqtt(lines: &str) -> Result<Config, ConfigError> {
    file(&format!("{BOTH}{lines}"))
}

#[test]
fn every_setting_can_stand_in_the_file_in_its_natural_type() {
    let secret = Scratch::new(b"hunter2\n");
    let config = file(&format!(
        "[mqtt]\nurl = 'mqtt://me@host'\nclient_id = 'svc'\nsource_name = 'src'\nkeepalive = 30\n\
         enable_health = true\nenable_heartbeat = true\nheartbeat_interval = 2.5\ndedupe_ttl = 3\n\
         dedupe_max_entries = 4\nreconnect_min_delay = 1\nreconnect_max_delay = 9.5\n\
         clean_session = true\npassword_file = '{}'\nmax_packet_size = 2_048\n\
         shutdown_timeout = 0.5\npublish_timeout = 1.5\njoin_local_broker = true\n",
        secret.path()
    ))
    .expect("a valid configuration");
    assert_eq!(config.login(), Some(("me", Some("hunter2"))));
    assert_eq!((config.client_id(), config.source_name()), ("svc", "src"));
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(30));
    assert!(config.health_enabled() && config.is_clean_session());
    assert_eq!(config.heartbeat_interval(), Some(Duration::from_millis(2500)));
    assert_eq!(config.dedupe_window(), Some((Duration::from_secs(3), 4)));
    let delays = (Duration::from_secs(1), Duration::from_millis(9500));
    assert_eq!(config.reconnect_delays(), delays);
    assert_eq!(config.packet_limit(), 2048);
    assert_eq!(config.shutdown_limit(), Duration::from_millis(500));
    assert_eq!(config.publish_limit(), Some(Duration::from_millis(1500)));
    assert!(config.local.join_any);
    assert_eq!(config.warnings(), [] as [String; 0]);
}

#[test]
fn strings_and_prefixed_keys_are_read_too() {
    let config = mqtt("mqtt_keepalive = '30'\nmqtt_enable_health = 'Yes'\nenable_heartbeat = 1\n")
        .expect("a valid configuration");
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(30));
    assert!(config.health_enabled() && config.heartbeat_interval().is_some());
}

#[test]
fn a_key_given_in_both_forms_is_a_conflict() {
    let error = mqtt("keepalive = 5\nmqtt_keepalive = 5\n").expect_err("a problem");
    assert_eq!(names(&error), ["MQTT_KEEPALIVE"]);
    let reason = error.problems()[0].reason();
    assert!(reason.contains("given twice, as `keepalive` and as `mqtt_keepalive`"), "{reason}");
}

#[test]
fn values_break_the_same_rules_and_name_the_file() {
    for (text, shown) in
        [("0", "0"), ("60.0", "60.0"), ("'abc'", "abc"), ("true", "true"), ("-1", "-1")]
    {
        let error = mqtt(&format!("keepalive = {text}\n")).expect_err("a problem");
        let problem = &error.problems()[0];
        assert_eq!((problem.variable(), problem.value()), ("MQTT_KEEPALIVE", Some(shown)));
        assert!(matches!(problem.origin(), Origin::File(_)));
        assert!(error.to_string().contains(" (in /"), "{error}");
    }
    for (lines, name) in [
        ("dedupe_ttl = inf", "MQTT_DEDUPE_TTL"),
        ("shutdown_timeout = nan", "MQTT_SHUTDOWN_TIMEOUT"),
        ("enable_health = 2", "MQTT_ENABLE_HEALTH"),
        ("source_name = ''", "MQTT_SOURCE_NAME"),
        ("tls_ca_file = '/no/such'", "MQTT_TLS_CA_FILE"),
    ] {
        assert_eq!(names(&mqtt(lines).expect_err("a problem")), [name]);
    }
}

#[test]
fn numbers_may_be_written_in_every_way_of_toml() {
    let config = mqtt("max_packet_size = 0x1_000\nshutdown_timeout = 1e1\nkeepalive = +3_0\n")
        .expect("a valid configuration");
    assert_eq!((config.packet_limit(), config.shutdown_limit()), (4096, Duration::from_secs(10)));
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(30));
    for huge in ["99999999999999999999", "0xFFFFFFFFFFFFFFFFFFFF"] {
        let error = mqtt(&format!("max_packet_size = {huge}\n")).expect_err("a problem");
        assert_eq!(names(&error), ["MQTT_MAX_PACKET_SIZE"]);
        assert_eq!(error.problems()[0].value(), Some(huge));
    }
}

#[test]
fn a_value_of_another_type_is_named_by_its_type() {
    for (lines, kind) in [
        ("keepalive = [1]", "`keepalive` is an array"),
        ("keepalive = { a = 1 }", "`keepalive` is a table"),
        ("keepalive = 1979-05-27", "`keepalive` is a datetime"),
    ] {
        let error = mqtt(lines).expect_err("a problem");
        assert_eq!(names(&error), ["MQTT_KEEPALIVE"]);
        assert!(error.to_string().ends_with(kind), "{error}");
    }
}

#[test]
fn unknown_keys_are_warned_about_with_the_nearest_key() {
    let content = format!(
        "keepalive = 5\n[other]\nurl = 1\n{BOTH}keepalve = 'hunter2'\nmqtt_helth = 1\nKEEPALIVE = 1\n"
    );
    let config = file(&content).expect("a valid configuration");
    let warnings = config.warnings();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[0].contains("the setting keepalive outside of its [mqtt] table"));
    assert!(warnings[1].starts_with("KEEPALIVE in [mqtt] of /"));
    assert!(warnings[1].ends_with("did you mean keepalive?"));
    assert!(warnings[2].starts_with("keepalve in "));
    assert!(warnings[2].ends_with("did you mean keepalive?"));
    assert!(warnings[3].ends_with("did you mean enable_health?"), "{warnings:?}");
    assert!(!warnings.concat().contains("hunter2"));
}

#[test]
fn a_file_without_the_table_is_warned_about() {
    let file = Scratch::new(b"[other]\n");
    let config = loaded(&[("TARS_MQTT_CONFIG", file.path())]);
    assert_eq!(config.warnings().len(), 1);
    assert!(config.warnings()[0].contains("has no [mqtt] table"));
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_of_its_own() {
    let missing = line(&[("TARS_MQTT_CONFIG", "/no/such.toml")]);
    let expected = "TARS_MQTT_CONFIG = \"/no/such.toml\": must be the path of a TOML file: ";
    assert!(missing.starts_with(expected), "{missing}");
    assert!(line(&[("TARS_MQTT_CONFIG", "")]).starts_with("TARS_MQTT_CONFIG = \"\": must be"));
    let binary = Scratch::new(b"\xFF");
    assert!(line(&[("TARS_MQTT_CONFIG", binary.path())]).contains("UTF-8"));
    assert!(file("mqtt = 1").expect_err("a problem").to_string().contains("`mqtt` is an integer"));
}

#[test]
fn what_may_stand_in_an_unread_file_is_not_called_missing() {
    let vars =
        [("TARS_MQTT_CONFIG", "/no/such.toml"), ("MQTT_KEEPALIVE", "0"), ("MQTT_DEDUPE_TTL", "30")];
    let error = only(&vars, Defaults::default()).expect_err("two problems");
    assert_eq!(names(&error), ["TARS_MQTT_CONFIG", "MQTT_KEEPALIVE"]);
    let error = load(&vars).expect_err("two problems");
    assert_eq!(names(&error), ["TARS_MQTT_CONFIG", "MQTT_KEEPALIVE"]);
}

#[test]
fn a_syntax_error_names_the_line_and_does_not_quote_it() {
    for broken in [
        "url = 'mqtt://me:hunter2@host",
        "url = mqtt://me:hunter2@host",
        "url = \"mqtt://me:hunter2\\q@host\"",
        "url 'mqtt://me:hunter2@host'",
        "mqtt://me:hunter2@host",
        "url = 'mqtt://me:hunter2@host' x",
        "url = 'mqtt://me:hunter2@host'\nurl = 'hunter2'",
        "'hunter2' = 1\n'hunter2' = 1",
    ] {
        let error = file(&format!("[mqtt]\n{broken}\n")).expect_err("a problem");
        assert_eq!(names(&error), ["TARS_MQTT_CONFIG"]);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(": line ") && !shown.contains("hunter2"), "{shown}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_with_a_login_that_others_may_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let file = Scratch::new(b"[mqtt]\nurl = 'mqtt://me:hunter2@host'\nclient_id = 'svc'\n");
    let warnings = |mode| {
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        let config = only(&[("TARS_MQTT_CONFIG", file.path())], Defaults::default());
        config.expect("a valid configuration").warnings().to_vec()
    };
    let [warning] = &warnings(0o644)[..] else { panic!("one warning") };
    assert!(warning.contains("(rights 644)") && !warning.contains("hunter2"), "{warning}");
    assert!(warnings(0o600).is_empty());
}
