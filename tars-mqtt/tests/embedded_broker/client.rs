use std::collections::VecDeque;
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    Outgoing, Packet, Publish, QoS, SubscribeReasonCode,
};
use tars_mqtt::broker::EmbeddedBroker;

const BOUND: Duration = Duration::from_secs(30);

/// Fails instead of waiting for ever.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("it should not take so long")
}

pub(crate) async fn broker() -> EmbeddedBroker {
    EmbeddedBroker::start("127.0.0.1:0").await.expect("a free port can be listened on")
}

/// How a [`Client`] connects.
pub(crate) struct Connect(MqttOptions);

impl Connect {
    pub(crate) fn to(broker: &EmbeddedBroker, id: &str) -> Self {
        let address = broker.local_addr();
        let mut options = MqttOptions::new(id, address.ip().to_string(), address.port());
        options.set_max_packet_size(2 * 1024 * 1024, 2 * 1024 * 1024);
        options.set_inflight(1000);
        Self(options)
    }

    pub(crate) fn persistent(mut self) -> Self {
        self.0.set_clean_session(false);
        self
    }

    pub(crate) fn without_acknowledging(mut self) -> Self {
        self.0.set_manual_acks(true);
        self
    }

    pub(crate) fn credentials(mut self, name: &str, password: &str) -> Self {
        self.0.set_credentials(name, password);
        self
    }

    pub(crate) fn will(mut self, topic: &str, payload: &str, retain: bool) -> Self {
        self.0.set_last_will(LastWill::new(topic, payload, QoS::AtLeastOnce, retain));
        self
    }

    pub(crate) async fn connect(self) -> Client {
        self.try_connect().await.expect("the broker accepts the client")
    }

    /// The code of the CONNACK that refuses it.
    pub(crate) async fn refused(self) -> ConnectReturnCode {
        match self.try_connect().await {
            Err(ConnectionError::ConnectionRefused(code)) => code,
            Err(other) => panic!("not refused by a CONNACK: {other}"),
            Ok(_) => panic!("accepted"),
        }
    }

    async fn try_connect(self) -> Result<Client, ConnectionError> {
        let (requests, mut events) = AsyncClient::new(self.0, 20_000);
        match within(events.poll()).await? {
            Event::Incoming(Packet::ConnAck(ack)) => Ok(Client {
                requests,
                events,
                received: VecDeque::new(),
                session_present: ack.session_present,
            }),
            other => panic!("expected a CONNACK, got {other:?}"),
        }
    }
}

/// A client that does nothing while nobody waits for it; dropping it cuts the connection.
pub(crate) struct Client {
    requests: AsyncClient,
    events: EventLoop,
    received: VecDeque<Publish>,
    pub(crate) session_present: bool,
}

impl Client {
    pub(crate) async fn to(broker: &EmbeddedBroker, id: &str) -> Self {
        Connect::to(broker, id).connect().await
    }

    async fn until(&mut self, mut last: impl FnMut(&Event) -> bool) -> Event {
        within(async {
            loop {
                let event = self.events.poll().await.expect("the connection should last");
                if let Event::Incoming(Packet::Publish(publish)) = &event {
                    self.received.push_back(publish.clone());
                }
                if last(&event) {
                    return event;
                }
            }
        })
        .await
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.requests.subscribe(filter, qos).await.expect("the client runs");
        let event = self.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_)))).await;
        let Event::Incoming(Packet::SubAck(ack)) = event else { unreachable!() };
        assert_eq!(ack.return_codes, [SubscribeReasonCode::Success(qos)]);
    }

    /// Whether the broker grants this subscription.
    pub(crate) async fn may_subscribe(&mut self, filter: &str) -> bool {
        self.requests.subscribe(filter, QoS::AtLeastOnce).await.expect("the client runs");
        let event = self.until(|event| matches!(event, Event::Incoming(Packet::SubAck(_)))).await;
        let Event::Incoming(Packet::SubAck(ack)) = event else { unreachable!() };
        ack.return_codes != [SubscribeReasonCode::Failure]
    }

    pub(crate) async fn unsubscribe(&mut self, filter: &str) {
        self.requests.unsubscribe(filter).await.expect("the client runs");
        self.until(|event| matches!(event, Event::Incoming(Packet::UnsubAck(_)))).await;
    }

    /// Publishes, and waits until the broker has it if there is a way to know.
    pub(crate) async fn publish(&mut self, topic: &str, qos: QoS, payload: impl Into<Vec<u8>>) {
        self.send(topic, qos, false, payload).await;
        self.flush(qos).await;
    }

    pub(crate) async fn retain(&mut self, topic: &str, payload: &str) {
        self.send(topic, QoS::AtLeastOnce, true, payload).await;
        self.flush(QoS::AtLeastOnce).await;
    }

    /// Publishes the numbers from 0 at QoS 1, and waits until the broker has all of them.
    pub(crate) async fn publish_numbers(&mut self, topic: &str, count: usize) {
        for number in 0..count {
            self.send(topic, QoS::AtLeastOnce, false, number.to_string()).await;
        }
        let mut missing = count;
        self.until(|event| {
            missing -= usize::from(sent(event, QoS::AtLeastOnce));
            missing == 0
        })
        .await;
    }

    pub(crate) async fn send(
        &mut self,
        topic: &str,
        qos: QoS,
        retain: bool,
        payload: impl Into<Vec<u8>>,
    ) {
        self.requests.publish(topic, qos, retain, payload).await.expect("the client runs");
    }

    /// Waits until the broker has what was sent last, if there is a way to know.
    pub(crate) async fn flush(&mut self, qos: QoS) {
        self.until(|event| sent(event, qos)).await;
    }

    pub(crate) async fn acknowledge(&mut self, publish: &Publish) {
        self.requests.ack(publish).await.expect("the client runs");
        self.until(|event| matches!(event, Event::Outgoing(Outgoing::PubAck(_)))).await;
    }

    /// What comes before a message with this payload, or before the broker ends the connection.
    pub(crate) async fn before_or_closed(&mut self, last: &str) -> Vec<Publish> {
        let mut found: Vec<Publish> = std::mem::take(&mut self.received).into();
        within(async {
            while let Ok(event) = self.events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    if publish.payload == last {
                        break;
                    }
                    found.push(publish);
                }
            }
        })
        .await;
        found
    }

    pub(crate) async fn next(&mut self) -> Publish {
        if self.received.is_empty() {
            self.until(|event| matches!(event, Event::Incoming(Packet::Publish(_)))).await;
        }
        self.received.pop_front().expect("one has just arrived")
    }

    pub(crate) async fn next_text(&mut self) -> String {
        text(&self.next().await)
    }

    /// The messages before the one with this payload.
    pub(crate) async fn before(&mut self, marker: &str) -> Vec<Publish> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await;
            if message.payload == marker {
                return messages;
            }
            messages.push(message);
        }
    }

    /// Says goodbye, and waits until the broker has closed the connection.
    pub(crate) async fn disconnect(mut self) {
        self.requests.disconnect().await.expect("the client runs");
        self.closed().await;
    }

    /// Waits until the broker has closed the connection.
    pub(crate) async fn closed(&mut self) {
        within(async { while self.events.poll().await.is_ok() {} }).await;
    }
}

pub(crate) fn text(publish: &Publish) -> String {
    String::from_utf8(publish.payload.to_vec()).expect("the payload is text")
}

fn sent(event: &Event, qos: QoS) -> bool {
    match qos {
        QoS::AtMostOnce => matches!(event, Event::Outgoing(Outgoing::Publish(_))),
        QoS::AtLeastOnce => matches!(event, Event::Incoming(Packet::PubAck(_))),
        QoS::ExactlyOnce => matches!(event, Event::Incoming(Packet::PubComp(_))),
    }
}
