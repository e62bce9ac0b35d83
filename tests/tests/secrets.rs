//! What must not be seen of a login, whatever the broker does, and what is warned about.

use std::time::Duration;

use rumqttc::Packet;
use tars_mqtt::prelude::*;
use tests::{Logs, ScriptedServer, eventually, free_port, unique_id, within};

const SECRET: &str = "hunter2-6b1f";

/// A configuration with a secret in both parts of its login.
fn config(server: &ScriptedServer) -> Config {
    let url = server.url().replace("mqtt://", &format!("mqtt://ghp_{SECRET}:{SECRET}@"));
    Config::new(url, unique_id("secret"))
        .unwrap()
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_the_broker_sends_back_is_not_logged() {
    let logs = Logs::of_this_process();
    let server = ScriptedServer::start().await;
    let config = config(&server);
    let id = config.client_id().to_owned();
    let connecting = tokio::spawn(Client::connect(config));
    // In the place of CONNACK, and after it.
    let mut connection = server.accept().await;
    let connect = connection.connect().await;
    assert_eq!(connect.login.as_ref().unwrap().password, SECRET);
    connection.send(Packet::Connect(connect.clone())).await;
    let mut connection = server.connected(false).await;
    connection.send(Packet::Connect(connect)).await;
    let _connection = server.connected(false).await;
    let client = within("the start", connecting).await.unwrap().unwrap();
    eventually("both are told by their type", || {
        logs.contain(&["WARN", "answer to CONNECT is a CONNECT"])
            && logs.contain(&["WARN", "a CONNECT, which a broker never sends"])
    })
    .await;
    assert_eq!(logs.count(&[SECRET]), 0);
    assert!(logs.contain(&["INFO", "broker=mqtt://***@127.0.0.1", "connected"]), "{id}");
    drop(client);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_without_a_password_is_in_no_log_line() {
    let logs = Logs::of_this_process();
    let port = free_port();
    let config = Config::new(format!("mqtt://ghp_{SECRET}@127.0.0.1:{port}"), unique_id("token"));
    let config = config.unwrap();
    assert!(!format!("{config} {config:?}").contains(SECRET));
    let connecting = tokio::spawn(Client::connect(config));
    let shown = format!("broker=mqtt://***@127.0.0.1:{port}");
    eventually("it is said", || logs.contain(&["WARN", &shown, "cannot connect"])).await;
    assert_eq!(logs.count(&[SECRET]), 0);
    connecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_tls_to_another_machine_is_warned_about_once() {
    let logs = Logs::of_this_process();
    for (url, count) in [
        ("mqtt://me:x@broker.invalid", 1),
        ("mqtt://me:x@127.0.0.1:9", 0),
        ("mqtt://other.invalid", 0),
    ] {
        let connecting = tokio::spawn(Client::connect(Config::new(url, "clear").unwrap()));
        let host = url.rsplit(['@', '/']).next().unwrap();
        eventually("an attempt", || logs.contain(&["WARN", host, "cannot connect"])).await;
        assert_eq!(logs.count(&["WARN", host, "over the network unencrypted"]), count, "{url}");
        connecting.abort();
    }
}
