use std::collections::BTreeMap;
use std::ffi::OsString;

use fastrand::Rng;

use super::{SECRET, host, odd_text, url_with_secret};
use crate::config::environment::CONFIG_FILE;
use crate::config::load::assemble;
use crate::config::settings::{CLIENT_ID, PASSWORD_FILE, SETTINGS, URL};
use crate::config::tests::Scratch;
use crate::config::{Config, ConfigError, Defaults};
use crate::fuzz::{fuzz, mutate, once_in, pick};

type Variables = BTreeMap<OsString, OsString>;

#[test]
fn any_environment_is_a_configuration_or_a_list_of_problems() {
    let password_file = Scratch::new(format!("{SECRET}\n").as_bytes());
    // Fewer than with all features, where more schemes are known.
    let shares = [("accepted", 8), ("refused", 20)];
    fuzz("environments", 3_000, &shares, |rng| {
        let variables = variables(rng, password_file.path());
        read(&variables, once_in(rng, 2))
    });
}

#[test]
fn any_file_is_a_configuration_or_a_list_of_problems() {
    let shares = [("accepted", 5), ("refused", 20)];
    fuzz("files", 1_000, &shares, |rng| {
        let file = Scratch::new(&file(rng));
        let mut variables = if once_in(rng, 4) { variables(rng, "") } else { Variables::new() };
        variables.insert(CONFIG_FILE.into(), file.path().into());
        read(&variables, true)
    });
}

fn read(variables: &Variables, url_optional: bool) -> &'static str {
    let load = |backwards: bool| -> Result<Config, ConfigError> {
        let mut all: Vec<_> = variables.clone().into_iter().collect();
        if backwards {
            all.reverse();
        }
        assemble(all.into_iter(), Defaults::default(), url_optional)
    };
    let (loaded, backwards) = (load(false), load(true));
    let debug = format!("{loaded:?}");
    assert!(!debug.contains(SECRET), "{variables:?}: {debug}");
    assert_eq!(debug, format!("{backwards:?}"), "the order of variables means nothing");
    match loaded {
        Ok(config) => {
            let shown = format!("{config} {config:#?}");
            assert!(!shown.contains(SECRET), "{variables:?}: {shown}");
            assert_eq!(config.validate(), Ok(()), "{variables:?}");
            in_bounds(&config);
            "accepted"
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains(SECRET), "{variables:?}: {text}");
            assert_eq!(text.lines().count(), error.problems().len(), "{text}");
            for problem in error.problems() {
                let name = problem.variable();
                let known = SETTINGS.iter().any(|setting| setting.name == name);
                assert!(known || name == CONFIG_FILE, "{text}");
                assert!(!problem.reason().is_empty(), "{text}");
            }
            "refused"
        }
    }
}

fn in_bounds(config: &Config) {
    let id = config.client_id();
    assert!((1..=65535).contains(&id.len()) && !id.contains(['/', '+', '#', '\0']));
    assert!((1..=3600).contains(&config.keep_alive_interval().as_secs()));
    assert!((1024..=268_435_455).contains(&config.packet_limit()));
    let (min, max) = config.reconnect_delays();
    assert!(min.as_millis() >= 100 && max.as_millis() >= 500 && min <= max);
    assert!(config.heartbeat_interval().is_none_or(|interval| interval.as_secs() >= 1));
    assert!(config.dedupe_window().is_none_or(|(_, entries)| entries > 0));
    assert!(config.login().is_none_or(|(user, _)| !user.is_empty() && !user.contains('\0')));
    assert!(!config.source_name().is_empty());
    assert!(config.warnings().iter().all(|warning| !warning.contains('\n')));
}

fn variables(rng: &mut Rng, password_file: &str) -> Variables {
    let mut variables = Variables::new();
    if !once_in(rng, 12) {
        variables.insert(URL.into(), url(rng).into());
    }
    if !once_in(rng, 12) {
        let id = pick(rng, &["svc", "tars-llm", "ü ☃", "a.b", "svc", "a/b", ""]);
        variables.insert(CLIENT_ID.into(), id.into());
    }
    for _ in 0..rng.usize(..4) {
        let name = pick(rng, &SETTINGS.each_ref().map(|setting| setting.name));
        if name != URL && name != PASSWORD_FILE {
            variables.insert(name.into(), value(rng, name));
        }
    }
    if once_in(rng, 12) {
        let path = if rng.bool() { password_file } else { "/no/such/file" };
        variables.insert(PASSWORD_FILE.into(), path.into());
    }
    if once_in(rng, 8) {
        // What is no setting may be a secret of another program.
        variables.insert(unknown_name(rng), SECRET.into());
    }
    if once_in(rng, 24) {
        let path = pick(rng, &["/no/such/file", "/", "", "/dev/null", "a\nb"]);
        variables.insert(CONFIG_FILE.into(), path.into());
    }
    variables
}

fn url(rng: &mut Rng) -> String {
    if once_in(rng, 4) {
        return url_with_secret(rng);
    }
    let login = pick(rng, &["", "", "user@", "user:hunter2@", "us%20er:hunter2%40@"]);
    format!("{}://{login}{}", pick(rng, &["mqtt", "mqtt", "mqtts", "ws", "wss"]), host(rng))
}

fn value(rng: &mut Rng, name: &str) -> OsString {
    let usual: &[&str] = match name {
        CLIENT_ID | "MQTT_SOURCE_NAME" => &["svc", "ü", "a.b", "svc-1"],
        _ if name.contains("ENABLE") || name.contains("CLEAN") => &["true", "0", "on", " Yes\n"],
        _ if name.ends_with("FILE") => &["/dev/null"],
        "MQTT_MAX_PACKET_SIZE" => &["1024", "268435455", "+65536", " 4096"],
        _ => &["1", "5", "60", "3600", "007"],
    };
    if !once_in(rng, 4) {
        return pick(rng, usual).into();
    }
    let odd = pick(
        rng,
        &[
            "",
            " ",
            "-1",
            "0",
            "1e400",
            "NaN",
            "inf",
            "-0.0",
            "0.1",
            "1e18",
            "1e-9",
            "0x10",
            "maybe",
            "99999999999999999999",
            "1023",
            "268435456",
            "3601",
            "a\0b",
            "a\nb",
            "١",
            "1_000",
            ".5",
            "5.",
        ],
    );
    let mut bytes = if rng.bool() { odd.to_owned() } else { odd_text(rng) }.into_bytes();
    mutate(rng, &mut bytes, b"0123456789.eE+- \xff");
    if once_in(rng, 40) {
        bytes = bytes.repeat(70_000);
    }
    os_string(bytes)
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn unknown_name(rng: &mut Rng) -> OsString {
    let known = pick(rng, &SETTINGS.each_ref().map(|setting| setting.name));
    let mut bytes = pick(rng, &[known, "MQTT_", "MQTT_PASSWORD", "MQTT_BROKER_URL", "PATH"]);
    if bytes == known {
        bytes = "MQTT_KEEPALIV";
    }
    let mut bytes = bytes.as_bytes().to_vec();
    mutate(rng, &mut bytes, b"MQT_ =\n\xff");
    let name = String::from_utf8_lossy(&bytes);
    // By chance it may be one after all, whose value is shown.
    let is_known = SETTINGS.iter().any(|setting| setting.name == name) || name == CONFIG_FILE;
    if is_known { "MQTT_X".into() } else { os_string(bytes) }
}

fn file(rng: &mut Rng) -> Vec<u8> {
    let mut text = String::new();
    if once_in(rng, 8) {
        text += pick(
            rng,
            &["# ☃\n", "other = 1\n", "url = \"x\"\n", "mqtt = 1\n", "[other]\na = [1]\n"],
        );
    }
    text += pick(
        rng,
        &["[mqtt]\n", "[mqtt]\n", "[mqtt]\r\n", "[mqtt]\n", "[ mqtt ]\n", "[[mqtt]]\n", ""],
    );
    text = format!("{text}url = {:?}\nclient_id = \"svc\"\n", url(rng));
    for _ in 0..rng.usize(..3) {
        let setting = &SETTINGS[rng.usize(2..SETTINGS.len())];
        let key = if rng.bool() { setting.key() } else { setting.name.to_lowercase() };
        let value = pick(
            rng,
            &[
                "1",
                "60",
                "true",
                "\"on\"",
                "5.0",
                "\"/dev/null\"",
                "[1]",
                "{}",
                "1979-05-27",
                "nan",
            ],
        );
        text = format!("{text}{key} = {value}\n");
    }
    if once_in(rng, 8) {
        text += pick(
            rng,
            &[
                "keepalve = 1\n",
                "\"mqtt_\" = 1\n",
                "\"a\\nb\" = 2\n",
                "\"MQTT_ü\" = 1\n",
                "\"mqtü_\" = 1\n",
            ],
        );
    }
    let mut bytes = text.into_bytes();
    if once_in(rng, 4) {
        // Behind the last `@`, so that the password stays where a password is.
        let end = bytes.iter().rposition(|byte| *byte == b'@').map_or(bytes.len(), |at| at + 1);
        let mut rest = bytes.split_off(end);
        mutate(rng, &mut rest, b"=\"'[]{}\n#\\.\xff");
        bytes.extend(rest);
    }
    bytes
}
