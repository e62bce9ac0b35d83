use rumqttc::QoS;

use crate::client::{Client, Connect, broker, text};

#[tokio::test]
async fn a_persistent_session_gets_what_was_published_while_it_was_away() {
    let broker = broker().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    assert!(!subscriber.session_present);
    subscriber.subscribe("away", QoS::ExactlyOnce).await;
    subscriber.disconnect().await;

    publisher.publish("away", QoS::AtMostOnce, "QoS 0 is not kept").await;
    publisher.publish("away", QoS::AtLeastOnce, "one").await;
    publisher.publish("away", QoS::ExactlyOnce, "two").await;

    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    assert!(subscriber.session_present);
    for (payload, qos) in [("one", QoS::AtLeastOnce), ("two", QoS::ExactlyOnce)] {
        let message = subscriber.next().await;
        assert_eq!((text(&message).as_str(), message.qos), (payload, qos));
        assert!(!message.dup);
    }
    publisher.publish("away", QoS::AtLeastOnce, "still subscribed").await;
    assert_eq!(subscriber.next_text().await, "still subscribed");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_clean_session_forgets_the_persistent_one() {
    let broker = broker().await;
    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    subscriber.subscribe("away", QoS::AtLeastOnce).await;
    subscriber.disconnect().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("away", QoS::AtLeastOnce, "lost").await;

    let clean = Client::to(&broker, "subscriber").await;
    assert!(!clean.session_present);
    clean.disconnect().await;
    let mut again = Connect::to(&broker, "subscriber").persistent().connect().await;
    assert!(!again.session_present);
    again.subscribe("end", QoS::AtLeastOnce).await;
    publisher.publish("away", QoS::AtLeastOnce, "lost").await;
    publisher.publish("end", QoS::AtLeastOnce, "end").await;
    assert!(again.before("end").await.is_empty());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_not_acknowledged_comes_again_marked_as_a_duplicate() {
    let broker = broker().await;
    let connect =
        || Connect::to(&broker, "subscriber").persistent().without_acknowledging().connect();
    let mut subscriber = connect().await;
    subscriber.subscribe("again", QoS::AtLeastOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("again", 3).await;
    let first = subscriber.next().await;
    assert!(!first.dup);
    subscriber.acknowledge(&first).await;
    assert_eq!(subscriber.next_text().await, "1");
    assert_eq!(subscriber.next_text().await, "2");
    drop(subscriber);

    let mut subscriber = connect().await;
    assert!(subscriber.session_present);
    publisher.publish("again", QoS::AtLeastOnce, "end").await;
    let messages = subscriber.before("end").await;
    assert_eq!(messages.iter().map(text).collect::<Vec<_>>(), ["1", "2"]);
    assert!(messages.iter().all(|message| message.dup));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_acknowledges_gets_64_messages_and_one_more_for_each_acknowledgement() {
    let broker = broker().await;
    let mut subscriber = Connect::to(&broker, "subscriber").without_acknowledging().connect().await;
    subscriber.subscribe("window", QoS::AtLeastOnce).await;
    subscriber.subscribe("probe", QoS::AtMostOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("window", 200).await;

    // QoS 0 is sent beside the window, so that an answered probe means that whatever the window
    // lets through has had its turn; the broker chooses between both at random.
    let mut received = probe(&mut publisher, &mut subscriber).await;
    assert_eq!(received.len(), 64);
    subscriber.acknowledge(&received.remove(0)).await;
    let next = subscriber.next().await;
    assert_eq!(text(&next), "64");
    assert!(probe(&mut publisher, &mut subscriber).await.is_empty());
    broker.stop().await.unwrap();
}

async fn probe(publisher: &mut Client, subscriber: &mut Client) -> Vec<rumqttc::Publish> {
    let mut received = Vec::new();
    for _ in 0..50 {
        publisher.publish("probe", QoS::AtMostOnce, "probe").await;
        received.extend(subscriber.before("probe").await);
    }
    received
}

#[tokio::test]
async fn an_absent_session_keeps_the_newest_10_000_messages() {
    let broker = broker().await;
    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    subscriber.subscribe("many", QoS::AtLeastOnce).await;
    subscriber.disconnect().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish_numbers("many", 10_005).await;

    let mut subscriber = Connect::to(&broker, "subscriber").persistent().connect().await;
    for number in 5..10_005 {
        assert_eq!(subscriber.next_text().await, number.to_string());
    }
    broker.stop().await.unwrap();
}
