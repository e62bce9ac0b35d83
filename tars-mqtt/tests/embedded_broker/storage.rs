use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rumqttc::QoS;
use tars_mqtt::broker::EmbeddedBroker;

use crate::client::{Client, Connect, broker, text};

/// A folder of its own for a test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("embedded-broker-{}-{number}", std::process::id());
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    async fn broker(&self) -> EmbeddedBroker {
        let broker = EmbeddedBroker::builder().address("127.0.0.1:0").storage_dir(&self.0);
        broker.start().await.expect("a folder of its own can be used")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Where it stays, it only takes room.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_restart_with_a_folder_keeps_retained_messages() {
    let folder = Folder::new();
    let broker = folder.broker().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.retain("state/kept", "kept").await;
    publisher.retain("state/cleared", "cleared").await;
    publisher.retain("state/cleared", "").await;
    broker.stop().await.unwrap();

    let broker = folder.broker().await;
    let mut client = Client::to(&broker, "client").await;
    client.subscribe("state/#", QoS::AtLeastOnce).await;
    client.publish("state/end", QoS::AtLeastOnce, "end").await;
    let messages = client.before("end").await;
    assert_eq!(messages.iter().map(text).collect::<Vec<_>>(), ["kept"]);
    assert!(messages[0].retain);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_with_a_folder_keeps_the_queue_of_an_absent_session() {
    let folder = Folder::new();
    let broker = folder.broker().await;
    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    subscriber.subscribe("away", QoS::AtLeastOnce).await;
    subscriber.disconnect().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("away", 300).await;
    broker.stop().await.unwrap();

    let broker = folder.broker().await;
    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    assert!(subscriber.session_present);
    for number in 0..300 {
        assert_eq!(subscriber.next_text().await, number.to_string());
    }
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("away", QoS::AtLeastOnce, "still subscribed").await;
    assert_eq!(subscriber.next_text().await, "still subscribed");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_with_a_folder_keeps_what_a_connected_session_has_not_acknowledged() {
    let folder = Folder::new();
    let broker = folder.broker().await;
    let connect = |broker: &EmbeddedBroker| {
        Connect::to(broker, "subscriber").persistent().without_acknowledging().connect()
    };
    let mut subscriber = connect(&broker).await;
    subscriber.subscribe("again", QoS::AtLeastOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    // More than the broker sends at once, so that some still wait inside it.
    publisher.publish_numbers("again", 100).await;
    assert_eq!(subscriber.next_text().await, "0");
    broker.stop().await.unwrap();

    let broker = folder.broker().await;
    let mut subscriber = connect(&broker).await;
    assert!(subscriber.session_present);
    let first = subscriber.next().await;
    assert_eq!(text(&first), "0");
    assert!(first.dup);
    subscriber.acknowledge(&first).await;
    for number in 1..100 {
        let message = subscriber.next().await;
        assert_eq!(text(&message), number.to_string());
        subscriber.acknowledge(&message).await;
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_the_broker_publishes_the_last_wills_of_its_clients() {
    let folder = Folder::new();
    let broker = folder.broker().await;
    let mut client =
        Connect::to(&broker, "client").will("will/client", "gone", true).connect().await;
    broker.stop().await.unwrap();
    client.closed().await;

    let broker = folder.broker().await;
    let mut watcher = Client::to(&broker, "watcher").await;
    watcher.subscribe("will/+", QoS::AtLeastOnce).await;
    assert_eq!(watcher.next_text().await, "gone");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_serves_one_broker_at_a_time() {
    let folder = Folder::new();
    let broker = folder.broker().await;
    let second = EmbeddedBroker::builder().address("127.0.0.1:0").storage_dir(&folder.0);
    let error = second.start().await.unwrap_err().to_string();
    assert!(error.contains(&folder.0.display().to_string()), "{error}");
    assert!(error.contains("in use"), "{error}");
    broker.stop().await.unwrap();
    folder.broker().await.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let broker = EmbeddedBroker::builder().address("127.0.0.1:0").storage_dir("/dev/null/folder");
    let error = broker.start().await.unwrap_err().to_string();
    assert!(error.contains("/dev/null/folder"), "{error}");
}

#[tokio::test]
async fn without_a_folder_nothing_is_written_and_nothing_kept() {
    let broker = broker().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.retain("state", "lost").await;
    let address = broker.local_addr();
    broker.stop().await.unwrap();

    let broker = EmbeddedBroker::start(&address.to_string()).await.unwrap();
    let mut client = Client::to(&broker, "client").await;
    client.subscribe("state", QoS::AtLeastOnce).await;
    client.publish("state", QoS::AtLeastOnce, "end").await;
    assert!(client.before("end").await.is_empty());
    broker.stop().await.unwrap();
    assert!(!Path::new("mqtt_storage").exists());
}
