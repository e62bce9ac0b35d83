//! A port or certificate that is not what the settings say: told in words, with what to do.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use tars_mqtt::Error;
use tars_mqtt::prelude::*;
use tempfile::TempDir;
use tests::{Logs, Mosquitto, eventually, free_port, unique_id};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A certificate that has signed itself, as `openssl req -x509` makes one: that of an authority
/// unless told otherwise.
fn self_signed(folder: &TempDir, authority: bool) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    (path("cert.pem"), path("key.pem"))
}

async fn tls_mosquitto(certificate: &str, key: &str, more: &str) -> Option<(Mosquitto, u16)> {
    let port = free_port();
    let listener = format!(
        "allow_anonymous true\nlistener {port} 127.0.0.1\ncafile {certificate}\n\
         certfile {certificate}\nkeyfile {key}\n{more}\n"
    );
    Some((Mosquitto::start_with(&listener).await?, port))
}

fn config(url: String) -> Config {
    Config::new(url, unique_id("wrong-port"))
        .unwrap()
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500))
}

/// A connection does not come about, and this is said.
async fn is_told(config: Config, parts: &[&str]) {
    let logs = Logs::of_this_process();
    let broker = format!("broker={}", config.url());
    let connecting = tokio::spawn(Client::connect(config));
    let told = [&["WARN", "cannot connect", &*broker], parts].concat();
    eventually(&format!("{told:?}"), || logs.contain(&told)).await;
    assert!(!connecting.is_finished());
    connecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_authority_that_a_server_shows_as_its_own_is_told_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = self_signed(&folder, true);
    let Some((_mosquitto, port)) = tls_mosquitto(&certificate, &key, "").await else { return };
    let config = config(format!("mqtts://localhost:{port}")).tls_ca_file(&certificate);
    is_told(config, &["CA:TRUE", "basicConstraints=critical,CA:FALSE"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signed_itself_and_is_no_authority_can_be_trusted_as_it_is() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = self_signed(&folder, false);
    let Some((_mosquitto, port)) = tls_mosquitto(&certificate, &key, "").await else { return };
    let config = config(format!("mqtts://localhost:{port}")).tls_ca_file(&certificate);
    let client = tests::within("a connection", Client::connect(config)).await.unwrap();
    client.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_trusted_is_told_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = self_signed(&folder, false);
    let strict = "require_certificate true";
    let Some((_mosquitto, port)) = tls_mosquitto(&certificate, &key, strict).await else { return };
    let others = TempDir::new().unwrap();
    let (other, _) = self_signed(&others, false);
    is_told(config(format!("mqtts://localhost:{port}")).tls_ca_file(&other), &["MQTT_TLS_CA_FILE"])
        .await;
    is_told(
        config(format!("mqtts://127.0.0.1:{port}")).tls_ca_file(&certificate),
        &["for other names than the host"],
    )
    .await;
    is_told(
        config(format!("mqtts://localhost:{port}")).tls_ca_file(&certificate),
        &["MQTT_TLS_CERT_FILE"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_to_a_port_without_it_is_told_in_words() {
    let folder = TempDir::new().unwrap();
    let (certificate, _) = self_signed(&folder, false);
    let Some(plain) = Mosquitto::start().await else { return };
    let config = config(format!("mqtts://localhost:{}", plain.port())).tls_ca_file(&certificate);
    is_told(config, &["this port may be one without TLS", "mqtt://"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mqtt_to_a_port_for_tls_is_told_in_words() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = self_signed(&folder, false);
    let Some((_mosquitto, port)) = tls_mosquitto(&certificate, &key, "").await else { return };
    is_told(config(format!("mqtt://127.0.0.1:{port}")), &["TLS", "write mqtts://"]).await;
    is_told(config(format!("ws://127.0.0.1:{port}")), &["TLS", "write wss://"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_protocol_at_the_port_is_told_in_words() {
    for (answer, words) in [
        (&b"\x15\x03\x03\x00\x02\x02\x46"[..], "write mqtts://"),
        (b"\x16\x03\x01", "write mqtts://"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server answers"),
        (b"SSH-2.0-OpenSSH_9\r\n", "an SSH server answers"),
        (b"", "where this is a port for TLS, write mqtts://"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("mqtt://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 512]).await;
                let _ = stream.write_all(answer).await;
            }
        });
        is_told(config(url), &[words]).await;
        serving.abort();
    }
}

#[tokio::test]
async fn an_encrypted_private_key_is_an_error_that_says_how_to_decrypt_it() {
    let folder = TempDir::new().unwrap();
    let (certificate, key) = self_signed(&folder, false);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    std::fs::write(&key, encrypted).unwrap();
    let config = config("mqtts://localhost:1".to_owned())
        .tls_ca_file(&certificate)
        .tls_client_certificate(&certificate, &key);
    let outcome = Client::connect(config).await;
    let Err(Error::Tls(reason)) = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains(&key) && reason.contains("openssl pkey -in"), "{reason}");
}
