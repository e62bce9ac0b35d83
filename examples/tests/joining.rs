//! Whose broker a service without `MQTT_URL` uses.

use std::time::Duration;

use tars_mqtt::broker::EmbeddedBroker;
use tempfile::TempDir;
use tests::{Process, Program, Spy, free_port, not_run, unique_id};
use tokio::net::TcpListener;

/// The usual port, once it is free: other tests use it as well.
async fn usual_port() -> Option<TcpListener> {
    for _ in 0..200 {
        if let Ok(listener) = TcpListener::bind("127.0.0.1:1883").await {
            return Some(listener);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    not_run("as port 1883 is taken");
    None
}

/// A service of a user whose other services have this temporary folder too.
fn service(user: &TempDir, name: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_quickstart"))
        .env("MQTT_CLIENT_ID", unique_id(name))
        .env("TMPDIR", user.path().display().to_string())
}

async fn is_refused(mut process: Process) {
    assert_eq!(process.exit_code().await, 1);
    let errors = process.errors();
    for part in ["MQTT_URL=mqtt://127.0.0.1:1883", "MQTT_JOIN_LOCAL_BROKER=true"] {
        assert!(errors.contains(part), "{errors}");
    }
}

/// All that listen on the usual port, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_url_joins_a_broker_of_its_user_and_no_other_unless_told_to() {
    let user = TempDir::new().unwrap();
    let Some(stranger) = usual_port().await else { return };
    is_refused(service(&user, "alone").start()).await;
    let told_to = service(&user, "told-to").env("MQTT_JOIN_LOCAL_BROKER", "true").start();
    told_to.logs("MQTT_URL is not set: joining the broker on 127.0.0.1:1883").await;
    drop((stranger, told_to));

    let Some(free) = usual_port().await else { return };
    drop(free);
    let mut first = service(&user, "first").start();
    first.logs("started a broker in this process, on 127.0.0.1:1883").await;
    let second_id = unique_id("second");
    let second = service(&user, "second").env("MQTT_CLIENT_ID", &second_id).start();
    second.logs("MQTT_URL is not set: joining the broker on 127.0.0.1:1883").await;
    let mut spy = Spy::on(1883, &[&format!("system/health/{second_id}")]).await;
    spy.next().await;
    // To another user it is a stranger's.
    is_refused(service(&TempDir::new().unwrap(), "other-user").start()).await;

    // What takes the port after the end of that broker is nobody's whom it would go on with.
    first.kill();
    let Some(_stranger) = usual_port().await else { return };
    second.logs("no service of this user runs a broker on 127.0.0.1:1883").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_url_does_not_ask_whose_the_broker_is() {
    let address = format!("127.0.0.1:{}", free_port());
    let broker = EmbeddedBroker::start(&address).await.unwrap();
    let user = TempDir::new().unwrap();
    let process = service(&user, "with-url").env("MQTT_URL", broker.url()).start();
    process.logs("connected").await;
    drop(process);
    broker.stop().await.unwrap();
}
