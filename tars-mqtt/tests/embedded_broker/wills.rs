use rumqttc::QoS;

use crate::client::{Client, Connect, broker};

#[tokio::test]
async fn the_last_will_is_published_when_a_connection_breaks() {
    let broker = broker().await;
    let mut watcher = Client::to(&broker, "watcher").await;
    watcher.subscribe("will/+", QoS::AtLeastOnce).await;
    let dying = Connect::to(&broker, "dying").will("will/dying", "gone", false).connect().await;
    drop(dying);
    let message = watcher.next().await;
    assert_eq!(message.topic, "will/dying");
    assert_eq!(message.payload, "gone");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn the_last_will_is_dropped_when_a_client_says_goodbye() {
    let broker = broker().await;
    let mut watcher = Client::to(&broker, "watcher").await;
    watcher.subscribe("will/+", QoS::AtLeastOnce).await;
    let leaving = Connect::to(&broker, "leaving").will("will/leaving", "gone", false);
    leaving.connect().await.disconnect().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("will/end", QoS::AtLeastOnce, "end").await;
    assert!(watcher.before("end").await.is_empty());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn the_last_will_of_a_connection_taken_over_is_published() {
    let broker = broker().await;
    let mut watcher = Client::to(&broker, "watcher").await;
    watcher.subscribe("will/+", QoS::AtLeastOnce).await;
    let mut former = Connect::to(&broker, "same").will("will/same", "gone", false).connect().await;
    let _latter = Connect::to(&broker, "same").connect().await;
    former.closed().await;
    assert_eq!(watcher.next_text().await, "gone");
    broker.stop().await.unwrap();
}
