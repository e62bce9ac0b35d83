use rumqttc::QoS;

use crate::client::{Client, broker};

#[tokio::test]
async fn a_new_subscriber_gets_the_last_retained_message() {
    let broker = broker().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.retain("state/lamp", "on").await;
    publisher.retain("state/lamp", "off").await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("state/#", QoS::AtLeastOnce).await;
    publisher.publish("state/end", QoS::AtLeastOnce, "end").await;
    let messages = subscriber.before("end").await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].payload, "off");
    assert!(messages[0].retain);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_present_subscriber_gets_a_retained_message_as_an_ordinary_one() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("state/lamp", QoS::AtLeastOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.retain("state/lamp", "on").await;
    assert!(!subscriber.next().await.retain);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_empty_retained_message_clears_the_former_one() {
    let broker = broker().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.retain("state/lamp", "on").await;
    publisher.retain("state/lamp", "").await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("state/#", QoS::AtLeastOnce).await;
    publisher.publish("state/end", QoS::AtLeastOnce, "end").await;
    assert!(subscriber.before("end").await.is_empty());
    broker.stop().await.unwrap();
}
