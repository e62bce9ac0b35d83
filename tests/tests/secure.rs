//! TLS and WebSocket, against mosquitto.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde::{Deserialize, Serialize};
use tars_mqtt::prelude::*;
use tars_mqtt::{ConnectionState, Error};
use tempfile::TempDir;
use tests::{Logs, Mosquitto, Relay, eventually, free_port, unique_id, within};

#[derive(Debug, Serialize, Deserialize, Event)]
struct Ping {
    number: u32,
}

/// Certificates of an authority, a server and a client, as files.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        std::fs::write(folder.path().join("ca.pem"), authority_certificate.pem()).unwrap();
        for name in ["localhost", "client"] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            // Named like its issuer, it would pass for a self-signed one.
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), certificate.pem()).unwrap();
            std::fs::write(folder.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The lines of mosquitto's configuration for a listener that uses them.
    fn listener(&self, port: u16, more: &str) -> String {
        let show = |path: PathBuf| path.display().to_string();
        format!(
            "allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\n\
             keyfile {}\n{more}\n",
            show(self.path("ca.pem")),
            show(self.path("localhost.pem")),
            show(self.path("localhost.key")),
        )
    }
}

async fn publishes(config: Config) {
    let client = within("a connection", Client::connect(config)).await.unwrap();
    let mut stream = client.subscribe::<Ping>("ping").await.unwrap();
    for number in 0..100 {
        client.publish(&Ping { number }).await.unwrap();
    }
    for number in 0..100 {
        assert_eq!(within("an event", stream.next()).await.unwrap().data.number, number);
    }
    // More than one read, one write and one frame.
    let large = client.message("large").payload(vec![b'x'; 900_000]).send().await.unwrap();
    within("the large one", large.delivered()).await.unwrap();
    client.shutdown().await.unwrap();
}

fn config(scheme: &str, host: &str, port: u16) -> Config {
    Config::new(format!("{scheme}://{host}:{port}"), unique_id("secure")).unwrap()
}

/// A connection never comes about.
async fn never_connects(config: Config) {
    let config = config.reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let (logs, broker) = (Logs::of_this_process(), config.url().to_string());
    let failures = || logs.count(&["WARN", "cannot connect", &broker]);
    let before = failures();
    let connecting = tokio::spawn(Client::connect(config));
    eventually("it is tried again and again", || failures() > before + 2).await;
    assert!(!connecting.is_finished());
    connecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_an_authority_of_its_own_and_a_client_certificate() {
    let certificates = Certificates::new();
    let (port, strict) = (free_port(), free_port());
    let settings = certificates.listener(port, "")
        + &certificates.listener(strict, "require_certificate true").replacen(
            "allow_anonymous true\n",
            "",
            1,
        );
    let Some(_mosquitto) = Mosquitto::start_with(&settings).await else { return };
    let trusting =
        |port| config("mqtts", "localhost", port).tls_ca_file(certificates.path("ca.pem"));
    publishes(trusting(port)).await;
    publishes(
        trusting(strict).tls_client_certificate(
            certificates.path("client.pem"),
            certificates.path("client.key"),
        ),
    )
    .await;
    never_connects(trusting(strict)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_cannot_be_trusted_is_never_accepted() {
    let certificates = Certificates::new();
    let port = free_port();
    let Some(_mosquitto) = Mosquitto::start_with(&certificates.listener(port, "")).await else {
        return;
    };
    let others = Certificates::new();
    never_connects(config("mqtts", "localhost", port).tls_ca_file(others.path("ca.pem"))).await;
    // The right authority, but another host name.
    never_connects(config("mqtts", "127.0.0.1", port).tls_ca_file(certificates.path("ca.pem")))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_carry_mqtt_with_and_without_tls() {
    let certificates = Certificates::new();
    let (plain, secure) = (free_port(), free_port());
    let settings = certificates.listener(secure, "protocol websockets")
        + &format!("listener {plain} 127.0.0.1\nprotocol websockets\n");
    let Some(_mosquitto) = Mosquitto::start_with(&settings).await else { return };
    publishes(config("ws", "127.0.0.1", plain)).await;
    publishes(config("wss", "localhost", secure).tls_ca_file(certificates.path("ca.pem"))).await;
}

#[tokio::test]
async fn a_file_that_is_no_certificate_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let path: &Path = &folder.path().join("not-a-certificate.pem");
    std::fs::write(path, "hello").unwrap();
    let outcome = Client::connect(config("mqtts", "localhost", 1).tls_ca_file(path)).await;
    let Err(Error::Tls(reason)) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("not-a-certificate.pem"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_refused_is_tried_again() {
    let certificates = Certificates::new();
    let port = free_port();
    let Some(_mosquitto) = Mosquitto::start_with(&certificates.listener(port, "")).await else {
        return;
    };
    let relay = Relay::to(port).await;
    relay.close();
    let connecting = tokio::spawn(Client::connect(through(&relay, &certificates)));
    eventually("it is tried again and again", || relay.broken() > 2).await;
    assert!(!connecting.is_finished());
    relay.open();
    let client = within("the connection", connecting).await.unwrap().unwrap();
    assert_eq!(*client.state().borrow(), ConnectionState::Connected);
    client.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_is_cut_half_way_is_tried_again() {
    let certificates = Certificates::new();
    let port = free_port();
    let Some(_mosquitto) = Mosquitto::start_with(&certificates.listener(port, "")).await else {
        return;
    };
    let relay = Relay::to(port).await;
    // In the middle of the client's hello, of the server's, of its certificate, and of the rest.
    for bytes in [1, 100, 300, 600, 900, 1200] {
        relay.cut_after(Some(bytes));
        let before = relay.broken();
        let connecting = tokio::spawn(Client::connect(through(&relay, &certificates)));
        eventually("it is tried again and again", || relay.broken() > before + 1).await;
        assert!(!connecting.is_finished(), "connected, with {bytes} bytes of a handshake");
        relay.cut_after(None);
        let client = within("the connection", connecting).await.unwrap().unwrap();
        // And after a connection that worked, where the handshake resumes the session of the
        // first and is shorter.
        relay.cut_after(Some(bytes.min(300)));
        let before = relay.broken();
        relay.cut();
        eventually("it is tried again", || relay.broken() > before + 1).await;
        assert_ne!(*client.state().borrow(), ConnectionState::Connected);
        relay.cut_after(None);
        let mut state = client.state();
        let connected = state.wait_for(|state| *state == ConnectionState::Connected);
        within("the connection again", connected).await.unwrap();
        client.shutdown().await.unwrap();
    }
}

fn through(relay: &Relay, certificates: &Certificates) -> Config {
    config("mqtts", "localhost", relay.port())
        .tls_ca_file(certificates.path("ca.pem"))
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500))
}
