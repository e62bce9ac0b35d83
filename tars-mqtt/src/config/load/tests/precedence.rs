use std::time::Duration;

use super::{BASE, Defaults, names, only};
use crate::config::tests::Scratch;
use crate::config::{DedupeKey, Origin};

fn program() -> Defaults {
    Defaults {
        url: Some("mqtt://program".to_owned()),
        client_id: Some("program".to_owned()),
        source: Some("program".to_owned()),
        health: Some(true),
        heartbeat: Some(Some(Duration::from_secs(7))),
        dedupe: Some(Some(Duration::from_secs(30))),
        dedupe_max_entries: Some(2048),
        dedupe_key: Some(DedupeKey::Tars),
    }
}

#[test]
fn the_environment_wins_over_the_file_over_the_program_over_what_is_built_in() {
    let file = Scratch::new(
        b"[mqtt]\nurl = 'mqtt://file'\nclient_id = 'file'\nsource_name = 'file'\nkeepalive = 20\n",
    );
    let config_file = ("TARS_MQTT_CONFIG", file.path());

    let config = only(&[], program()).expect("a valid configuration");
    let chosen = (config.url().host(), config.client_id(), config.source_name());
    assert_eq!(chosen, ("program", "program", "program"));
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(60));

    let config = only(&[config_file], program()).expect("a valid configuration");
    let chosen = (config.url().host(), config.client_id(), config.source_name());
    assert_eq!(chosen, ("file", "file", "file"));
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(20));

    let vars = [config_file, ("MQTT_CLIENT_ID", "env"), ("MQTT_KEEPALIVE", "10")];
    let config = only(&vars, program()).expect("a valid configuration");
    let chosen = (config.url().host(), config.client_id(), config.source_name());
    assert_eq!(chosen, ("file", "env", "file"));
    assert_eq!(config.keep_alive_interval(), Duration::from_secs(10));
}

#[test]
fn the_key_of_duplicates_is_chosen_by_the_environment_or_the_program() {
    let key = |vars, defaults| {
        only(vars, defaults).expect("a valid configuration").duplicates_compared_by()
    };
    assert_eq!(key(&[], program()), DedupeKey::Tars);
    assert_eq!(key(&[("MQTT_DEDUPE_KEY", "Full")], program()), DedupeKey::Full);
    let unsaid = Defaults { dedupe_key: None, ..program() };
    assert_eq!(key(&[], unsaid.clone()), DedupeKey::Full);
    assert_eq!(key(&[("MQTT_DEDUPE_KEY", " tars ")], unsaid.clone()), DedupeKey::Tars);
    let wrong = only(&[("MQTT_DEDUPE_KEY", "id")], unsaid).expect_err("no key");
    assert_eq!(names(&wrong), ["MQTT_DEDUPE_KEY"]);
}

#[test]
fn the_programs_switches_can_be_turned_off_from_outside() {
    let config = only(&[], program()).expect("a valid configuration");
    assert!(config.health_enabled());
    assert_eq!(config.heartbeat_interval(), Some(Duration::from_secs(7)));
    assert_eq!(config.dedupe_window(), Some((Duration::from_secs(30), 2048)));

    let vars =
        [("MQTT_ENABLE_HEALTH", "no"), ("MQTT_ENABLE_HEARTBEAT", "0"), ("MQTT_DEDUPE_TTL", "0")];
    let config = only(&vars, program()).expect("a valid configuration");
    assert!(!config.health_enabled());
    assert_eq!((config.heartbeat_interval(), config.dedupe_window()), (None, None));
}

#[test]
fn the_environment_changes_just_the_heartbeats_interval() {
    let vars = [("MQTT_HEARTBEAT_INTERVAL", "3")];
    let config = only(&vars, program()).expect("a valid configuration");
    assert_eq!(config.heartbeat_interval(), Some(Duration::from_secs(3)));
}

#[test]
fn a_heartbeat_that_the_program_turns_off_can_be_turned_on() {
    let off = || Defaults { heartbeat: Some(None), ..program() };
    let config = only(&[], off()).expect("a valid configuration");
    assert_eq!(config.heartbeat_interval(), None);
    let config = only(&[("MQTT_ENABLE_HEARTBEAT", "on")], off()).expect("a valid configuration");
    assert_eq!(config.heartbeat_interval(), Some(Duration::from_secs(5)));
}

#[test]
fn the_programs_number_of_entries_goes_with_a_ttl_from_outside() {
    let vars = [("MQTT_DEDUPE_TTL", "5")];
    let window = |defaults| only(&vars, defaults).expect("a valid configuration").dedupe_window();
    assert_eq!(window(program()), Some((Duration::from_secs(5), 2048)));
    assert_eq!(
        window(Defaults { dedupe: Some(None), ..program() }),
        Some((Duration::from_secs(5), 2048))
    );
    let off = only(&[], Defaults { dedupe: Some(None), ..program() });
    assert_eq!(off.expect("a valid configuration").dedupe_window(), None);
}

#[test]
fn a_wrong_default_of_the_program_is_reported_as_its_own() {
    let wrong = Defaults {
        url: Some("mqtt://me:hunter2@".to_owned()),
        client_id: Some("a/b".to_owned()),
        source: Some(String::new()),
        heartbeat: Some(Some(Duration::from_millis(200))),
        dedupe: Some(Some(Duration::MAX)),
        dedupe_max_entries: Some(0),
        dedupe_key: None,
        health: None,
    };
    let error = only(&[], wrong).expect_err("five problems");
    assert_eq!(
        names(&error),
        [
            "MQTT_URL",
            "MQTT_CLIENT_ID",
            "MQTT_SOURCE_NAME",
            "MQTT_HEARTBEAT_INTERVAL",
            "MQTT_DEDUPE_MAX_ENTRIES"
        ]
    );
    assert!(error.problems()[..4].iter().all(|problem| problem.origin() == &Origin::Program));
    let lines = error.to_string();
    assert!(lines.contains("MQTT_HEARTBEAT_INTERVAL = \"0.2\" (set by the program)"), "{lines}");
    assert!(!lines.contains("hunter2"));
}

#[test]
fn a_valid_value_hides_a_wrong_one_that_it_wins_over() {
    let file = Scratch::new(b"[mqtt]\nkeepalive = 'abc'\n");
    let vars = [&BASE[..], &[("TARS_MQTT_CONFIG", file.path()), ("MQTT_KEEPALIVE", "5")]].concat();
    assert!(only(&vars, Defaults::default()).is_ok());
}
