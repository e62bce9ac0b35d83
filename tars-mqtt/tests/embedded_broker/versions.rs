use rumqttc::QoS;
use rumqttc::v5::mqttbytes::QoS as QoS5;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use tars_mqtt::broker::EmbeddedBroker;

use crate::client::{Client, Connect, broker, within};

fn client_5(broker: &EmbeddedBroker) -> (AsyncClient, EventLoop) {
    let address = broker.local_addr();
    let options = MqttOptions::new("version-5", address.ip().to_string(), address.port());
    AsyncClient::new(options, 10)
}

async fn until<T>(events: &mut EventLoop, found: impl Fn(Packet) -> Option<T>) -> T {
    within(async {
        loop {
            let event = events.poll().await.expect("the connection should last");
            if let Event::Incoming(packet) = event
                && let Some(found) = found(packet)
            {
                return found;
            }
        }
    })
    .await
}

fn publish(packet: Packet) -> Option<Publish> {
    if let Packet::Publish(publish) = packet { Some(publish) } else { None }
}

#[tokio::test]
async fn clients_of_mqtt_5_and_3_1_1_reach_each_other_on_the_same_port() {
    let broker = broker().await;
    let mut client = Client::to(&broker, "version-3").await;
    client.subscribe("to-3", QoS::AtLeastOnce).await;
    let (client_5, mut events) = client_5(&broker);
    client_5.subscribe("to-5", QoS5::AtLeastOnce).await.unwrap();
    until(&mut events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;

    client_5.publish("to-3", QoS5::AtLeastOnce, false, "from 5").await.unwrap();
    until(&mut events, |packet| matches!(packet, Packet::PubAck(_)).then_some(())).await;
    assert_eq!(client.next_text().await, "from 5");

    client.publish("to-5", QoS::AtLeastOnce, "from 3").await;
    assert_eq!(until(&mut events, publish).await.payload, "from 3");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn clients_of_mqtt_5_are_told_who_published() {
    let broker = EmbeddedBroker::builder().address("127.0.0.1:0").user("alice", "secret");
    let broker = broker.start().await.unwrap();
    let (client_5, mut events) = client_5(&broker);
    events.options.set_credentials("alice", "secret");
    client_5.subscribe("to-5", QoS5::AtLeastOnce).await.unwrap();
    until(&mut events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await;

    let mut client =
        Connect::to(&broker, "version-3").credentials("alice", "secret").connect().await;
    client.publish("to-5", QoS::AtLeastOnce, "from 3").await;
    let mut properties = until(&mut events, publish).await.properties.unwrap().user_properties;
    properties.sort();
    let expected = [("x-mqtt-client-id", "version-3"), ("x-mqtt-sender", "alice")];
    assert_eq!(properties, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    broker.stop().await.unwrap();
}
