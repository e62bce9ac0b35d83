use rumqttc::{AsyncClient, Event, MqttOptions, Packet, Publish, QoS};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::{unique_id, within};

/// A client on plain rumqttc that sees what really goes over the broker.
pub struct Spy {
    client: AsyncClient,
    seen: mpsc::UnboundedReceiver<Publish>,
    pump: JoinHandle<()>,
}

impl Spy {
    /// Connects and subscribes.
    pub async fn on(port: u16, filters: &[&str]) -> Self {
        let mut options = MqttOptions::new(unique_id("spy"), "127.0.0.1", port);
        options.set_max_packet_size(4 << 20, 4 << 20);
        let (client, mut events) = AsyncClient::new(options, 100);
        events.network_options.set_tcp_nodelay(true);
        let (sender, seen) = mpsc::unbounded_channel();
        let (subscribed, mut acknowledged) = mpsc::unbounded_channel();
        let pump = tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                match event {
                    Event::Incoming(Packet::Publish(publish)) => {
                        // The test may be over.
                        let _ = sender.send(publish);
                    }
                    Event::Incoming(Packet::SubAck(_)) => {
                        let _ = subscribed.send(());
                    }
                    _ => {}
                }
            }
        });
        for filter in filters {
            client.subscribe(*filter, QoS::ExactlyOnce).await.expect("the spy subscribes");
            within("the spy's SUBACK", acknowledged.recv()).await.expect("the spy is connected");
        }
        Self { client, seen, pump }
    }

    /// The next message.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Publish> {
        let next = within("a message for the spy", self.seen.recv());
        async move { next.await.expect("the spy is connected") }
    }

    /// The next message on a topic. Those on other topics are passed over.
    #[track_caller]
    pub fn next_on(&mut self, topic: &str) -> impl Future<Output = Publish> {
        let seen = &mut self.seen;
        let topic = topic.to_owned();
        within(format!("a message on {topic}"), async move {
            loop {
                let publish = seen.recv().await.expect("the spy is connected");
                if publish.topic == topic {
                    return publish;
                }
            }
        })
    }

    /// What has come and not been looked at yet.
    pub fn rest(&mut self) -> Vec<Publish> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Publishes at QoS 1.
    pub async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.publish_as(topic, payload, QoS::AtLeastOnce, false).await;
    }

    pub async fn publish_as(
        &self,
        topic: &str,
        payload: impl Into<Vec<u8>>,
        qos: QoS,
        retain: bool,
    ) {
        self.client.publish(topic, qos, retain, payload).await.expect("the spy publishes");
    }
}

impl Drop for Spy {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// The content of a message as JSON.
pub fn json(publish: &Publish) -> serde_json::Value {
    serde_json::from_slice(&publish.payload).expect("the payload is JSON")
}
