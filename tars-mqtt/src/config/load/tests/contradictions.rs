use super::{line, load, loaded, names};
use crate::config::tests::Scratch;

#[test]
fn a_ttl_needs_a_number_of_entries() {
    let line = line(&[("MQTT_DEDUPE_TTL", "30")]);
    assert!(
        line.starts_with(
            "MQTT_DEDUPE_MAX_ENTRIES = \"0\" (the default): must be more than 0 while \
             MQTT_DEDUPE_TTL is more than 0"
        ),
        "{line}"
    );
    let error = load(&[("MQTT_DEDUPE_TTL", "30"), ("MQTT_DEDUPE_MAX_ENTRIES", "0")]);
    assert_eq!(names(&error.expect_err("a problem")), ["MQTT_DEDUPE_MAX_ENTRIES"]);
}

#[test]
fn the_longest_delay_is_not_below_the_shortest() {
    let (min, max) = ("MQTT_RECONNECT_MIN_DELAY", "MQTT_RECONNECT_MAX_DELAY");
    assert_eq!(
        line(&[(min, "2"), (max, "1.5")]),
        "MQTT_RECONNECT_MAX_DELAY = \"1.5\": must be at least MQTT_RECONNECT_MIN_DELAY, which is 2"
    );
    assert!(line(&[(min, "6")]).starts_with("MQTT_RECONNECT_MAX_DELAY = \"5\" (the default)"));
    assert!(load(&[(min, "2"), (max, "2")]).is_ok());
}

#[test]
fn a_contradiction_with_an_unreadable_value_is_not_reported() {
    let line = line(&[("MQTT_RECONNECT_MIN_DELAY", "99s"), ("MQTT_RECONNECT_MAX_DELAY", "2")]);
    assert!(line.starts_with("MQTT_RECONNECT_MIN_DELAY"), "{line}");
}

#[test]
fn one_password_is_enough() {
    let file = Scratch::new(b"swordfish");
    let line = line(&[("MQTT_URL", "mqtt://me:hunter2@host"), ("MQTT_PASSWORD_FILE", file.path())]);
    assert!(line.contains("contradicts MQTT_URL, which has a password already"), "{line}");
    assert!(!line.contains("hunter2") && !line.contains("swordfish"));
}

#[test]
fn a_password_file_needs_a_user_name() {
    let file = Scratch::new(b"swordfish");
    let line = line(&[("MQTT_PASSWORD_FILE", file.path())]);
    assert!(line.contains("write mqtt://user@host in MQTT_URL"), "{line}");
}

#[test]
fn a_user_name_from_the_url_keeps_the_rules_of_mqtt() {
    assert!(line(&[("MQTT_URL", "mqtt://a%00b@host")]).contains("without NUL"));
    let long = format!("mqtt://u:{}@host", "x".repeat(65536));
    assert!(line(&[("MQTT_URL", &long)]).contains("a password of at most 65535 bytes"));
}

#[test]
fn tls_files_need_a_tls_scheme() {
    let pem = Scratch::new(b"pem");
    let error = load(&[
        ("MQTT_TLS_CA_FILE", pem.path()),
        ("MQTT_TLS_CERT_FILE", pem.path()),
        ("MQTT_TLS_KEY_FILE", pem.path()),
    ])
    .expect_err("three problems");
    assert_eq!(names(&error), ["MQTT_TLS_CA_FILE", "MQTT_TLS_CERT_FILE", "MQTT_TLS_KEY_FILE"]);
    assert!(error.problems().iter().all(|p| p.reason().contains("write mqtts:// there")));
}

#[test]
fn a_certificate_and_its_key_come_together() {
    let pem = Scratch::new(b"pem");
    for (one, other) in
        [("MQTT_TLS_CERT_FILE", "MQTT_TLS_KEY_FILE"), ("MQTT_TLS_KEY_FILE", "MQTT_TLS_CERT_FILE")]
    {
        let error =
            load(&[("MQTT_URL", "mqtts://host"), (one, pem.path())]).expect_err("a problem");
        let lines = error.to_string();
        assert!(lines.contains(&format!("needs {other} as well")), "{lines}");
    }
}

#[test]
fn a_tls_file_that_cannot_be_read_names_its_variable_and_path() {
    for name in ["MQTT_TLS_CA_FILE", "MQTT_TLS_CERT_FILE", "MQTT_TLS_KEY_FILE"] {
        let error = load(&[(name, "/no/such.pem")]).expect_err("a problem");
        let lines = error.to_string();
        assert!(lines.contains(&format!("{name} = \"/no/such.pem\": must be the path")), "{lines}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn tls_files_go_with_a_tls_scheme() {
    let pem = Scratch::new(b"pem");
    let config = loaded(&[
        ("MQTT_URL", "mqtts://host"),
        ("MQTT_TLS_CA_FILE", pem.path()),
        ("MQTT_TLS_CERT_FILE", pem.path()),
        ("MQTT_TLS_KEY_FILE", pem.path()),
    ]);
    let path = std::path::Path::new(pem.path());
    assert_eq!(config.tls_ca_path(), Some(path));
    assert_eq!(config.tls_client_paths(), Some((path, path)));
}

#[test]
fn health_leaves_room_for_its_topic() {
    let id = "x".repeat(65522);
    assert_eq!(loaded(&[("MQTT_CLIENT_ID", &id)]).client_id(), id);
    let line = line(&[("MQTT_CLIENT_ID", &id), ("MQTT_ENABLE_HEALTH", "1")]);
    assert!(line.contains("must be at most 65521 bytes"), "{line}");
}
