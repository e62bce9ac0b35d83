use rumqttc::QoS;
use tars_mqtt::broker::EmbeddedBroker;

use crate::client::{Client, broker};

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_payload_of_900_kib_arrives_unchanged_at_every_level() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("large", QoS::ExactlyOnce).await;
    let mut publisher = Client::to(&broker, "publisher").await;
    let payload: Vec<u8> = (0..=250).cycle().take(900 * 1024).collect();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        publisher.send("large", qos, false, payload.clone()).await;
        let ((), message) = tokio::join!(publisher.flush(qos), subscriber.next());
        assert!(message.payload == payload);
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn the_largest_packet_arrives_and_a_larger_one_costs_its_sender_the_connection() {
    let broker = broker().await;
    let mut subscriber = Client::to(&broker, "subscriber").await;
    subscriber.subscribe("large", QoS::AtLeastOnce).await;

    // Beside its payload a packet holds the topic with its length and a packet identifier.
    let room = MIB - "large".len() - 2 - 2;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("large", QoS::AtLeastOnce, vec![1; room]).await;
    assert_eq!(subscriber.next().await.payload.len(), room);

    publisher.send("large", QoS::AtLeastOnce, false, vec![1; room + 1]).await;
    publisher.closed().await;
    let mut publisher = Client::to(&broker, "publisher").await;
    publisher.publish("large", QoS::AtLeastOnce, "end").await;
    assert!(subscriber.before("end").await.is_empty());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn the_packet_size_can_be_raised() {
    let broker = EmbeddedBroker::builder().address("127.0.0.1:0").max_packet_size(2 * MIB);
    let broker = broker.start().await.unwrap();
    let mut client = Client::to(&broker, "client").await;
    client.subscribe("large", QoS::AtMostOnce).await;
    client.publish("large", QoS::AtLeastOnce, vec![1; 3 * MIB / 2]).await;
    assert_eq!(client.next().await.payload.len(), 3 * MIB / 2);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_packet_size_too_small_to_work_with_is_an_error() {
    let broker = EmbeddedBroker::builder().address("127.0.0.1:0").max_packet_size(1020);
    let error = broker.start().await.unwrap_err().to_string();
    assert!(error.contains("max_packet_size"), "{error}");
    let broker = EmbeddedBroker::builder().address("127.0.0.1:0").max_packet_size(1021);
    broker.start().await.unwrap().stop().await.unwrap();
}
