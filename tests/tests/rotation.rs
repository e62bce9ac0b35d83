//! Secrets and certificates that are replaced while a service runs.

use std::path::Path;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rumqttc::Packet;
use tars_mqtt::Traffic;
use tars_mqtt::prelude::*;
use tempfile::TempDir;
use tests::{
    Connection, Logs, Mosquitto, Process, Program, ScriptedServer, eventually, free_port,
    unique_id, within,
};
use tokio::sync::broadcast::Receiver;

const MIN: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_millis(500);

async fn password(server: &ScriptedServer) -> (Connection, String) {
    let mut connection = server.accept().await;
    let login = connection.connect().await.login.unwrap();
    (connection, login.password)
}

fn service(url: &str, password: &Path) -> Process {
    Program::new(env!("CARGO_BIN_EXE_hanging"))
        .env("MQTT_URL", url.replace("mqtt://", "mqtt://me@"))
        .env("MQTT_CLIENT_ID", unique_id("rotation"))
        .env("MQTT_PASSWORD_FILE", password.display().to_string())
        .env("MQTT_RECONNECT_MIN_DELAY", "0.1")
        .env("MQTT_RECONNECT_MAX_DELAY", "0.5")
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_replaced_is_used_at_the_next_connection() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first\n").unwrap();
    let server = ScriptedServer::start().await;
    let process = service(&server.url(), &file);
    let (connection, first) = password(&server).await;
    assert_eq!(first, "first");
    std::fs::write(&file, "\u{feff}second\r\n").unwrap();
    drop(connection);
    let (connection, second) = password(&server).await;
    assert_eq!(second, "second");
    // What cannot be read is said, and no reason to stay away.
    std::fs::remove_file(&file).unwrap();
    drop(connection);
    let (connection, kept) = password(&server).await;
    assert_eq!(kept, "second");
    process.logs("what was read before is used").await;
    std::fs::write(&file, "third").unwrap();
    drop(connection);
    assert_eq!(password(&server).await.1, "third");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_file_that_cannot_be_read_at_the_start_ends_the_service() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [folder.path().join("gone"), pipe] {
        let mut process = service("mqtt://localhost", &path);
        assert_eq!(process.exit_code().await, 2);
        let errors = process.errors();
        assert!(errors.contains("MQTT_PASSWORD_FILE = "), "{errors}");
    }
}

/// Writes an authority, and certificates of `localhost` and of a client that it has signed.
fn certificates(folder: &Path) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    std::fs::write(folder.join("ca.pem"), format!("\u{feff}{}", root.pem())).unwrap();
    for name in ["localhost", "client"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// Waits until the broker accepts the client that is watched.
async fn connected(traffic: &mut Receiver<Traffic>) {
    loop {
        let seen = traffic.recv().await.expect("the client is there, and not too fast");
        if matches!(seen.packet, Packet::ConnAck(_)) {
            return;
        }
    }
}

/// The lines of mosquitto's configuration for a listener that uses them.
fn listener(folder: &Path, port: u16) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    format!(
        "allow_anonymous true\nlistener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\n",
        path("localhost.pem"),
        path("localhost.key"),
    )
}

fn config(folder: &Path, port: u16, name: &str) -> Config {
    Config::new(format!("mqtts://localhost:{port}"), unique_id(name))
        .unwrap()
        .tls_ca_file(folder.join("ca.pem"))
        .reconnect_delay(MIN, MAX)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_and_a_client_certificate_that_are_replaced_are_used_at_the_next_connection() {
    let folder = TempDir::new().unwrap();
    certificates(folder.path());
    let port = free_port();
    let plain = folder.path().join("plain.pem");
    // mosquitto knows no byte order marks.
    let without_mark = || {
        let text = std::fs::read_to_string(folder.path().join("ca.pem")).unwrap();
        std::fs::write(&plain, text.trim_start_matches('\u{feff}')).unwrap();
    };
    without_mark();
    let strict = format!("cafile {}\nrequire_certificate true\n", plain.display());
    let settings = listener(folder.path(), port) + &strict;
    let Some(mut mosquitto) = Mosquitto::start_with(&settings).await else { return };
    let config = config(folder.path(), port, "authority")
        .tls_client_certificate(folder.path().join("client.pem"), folder.path().join("client.key"));
    let client = within("a connection", Client::connect(config)).await.unwrap();
    let mut traffic = client.rumqttc().watch();
    certificates(folder.path());
    without_mark();
    mosquitto.restart().await;
    within("the connection with the new files", connected(&mut traffic)).await;
    client.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_cannot_be_read_later_leaves_the_old_one_trusted() {
    let logs = Logs::of_this_process();
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem").display().to_string();
    certificates(folder.path());
    let port = free_port();
    let settings = listener(folder.path(), port);
    let Some(mut mosquitto) = Mosquitto::start_with(&settings).await else { return };
    let config = config(folder.path(), port, "half-written");
    let client = within("a connection", Client::connect(config)).await.unwrap();
    let mut traffic = client.rumqttc().watch();
    std::fs::write(&ca, "half a fi").unwrap();
    mosquitto.restart().await;
    eventually("it is said", || logs.contain(&["WARN", &ca, "contains no certificate"])).await;
    within("the connection with the old authority", connected(&mut traffic)).await;
    client.shutdown().await.unwrap();
}
