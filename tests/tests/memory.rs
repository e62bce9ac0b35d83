//! Memory stays bounded under a flood. By itself, for it looks at the whole process.

use std::time::Duration;

use rumqttc::{Packet, Publish, QoS};
use tars_mqtt::prelude::*;
use tests::{Logs, ScriptedServer, eventually};

/// What the process may grow by while a million messages of 200 bytes come that nobody can handle
/// in time. They would take more than ten times as much.
const BOUND_KIB: u64 = 24 * 1024;

#[subscribe("flood", qos = 0)]
async fn slow(_payload: Bytes) {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[subscribe("end", qos = 0)]
async fn end(State(done): State<std::sync::Arc<std::sync::atomic::AtomicBool>>) {
    done.store(true, std::sync::atomic::Ordering::Release);
}

/// The memory of this process that is really there, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_million_messages_at_a_slow_handler_take_little_memory_and_are_counted() {
    let logs = Logs::of_this_process();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = ScriptedServer::start().await;
    let app = App::bare(server.config().shutdown_timeout(Duration::from_millis(500)))
        .handler::<slow>()
        .handler::<end>()
        .state(done.clone());
    let (service, mut connection) = tokio::join!(app.start(), async {
        let mut connection = server.connected(false).await;
        connection.subscribe().await;
        connection
    });
    let service = service.unwrap();
    let mut chunk = bytes::BytesMut::new();
    for _ in 0..1_000 {
        Publish::new("flood", QoS::AtMostOnce, vec![b'x'; 200]).write(&mut chunk).unwrap();
    }
    connection.send_bytes(&chunk).await;
    let before = resident();
    let mut highest = before;
    for _ in 0..999 {
        connection.send_bytes(&chunk).await;
        highest = highest.max(resident());
    }
    let publish = Publish::new("end", QoS::AtMostOnce, "x");
    connection.send(Packet::Publish(publish)).await;
    eventually("the flood is over", || done.load(std::sync::atomic::Ordering::Acquire)).await;
    let grown = highest.max(resident()) - before;
    println!("1,000,000 messages of 200 bytes: grown by {grown} KiB");
    assert!(grown < BOUND_KIB, "{grown} KiB");
    assert!(logs.contain(&["WARN", "messages are dropped", "dropped="]));
    drop(service);
}
