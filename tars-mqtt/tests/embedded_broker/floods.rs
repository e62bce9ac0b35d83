//! What anybody who reaches the broker can make it keep is bounded, and shuts nobody else out.

#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rumqttc::{ConnectReturnCode, QoS};
use tars_mqtt::broker::{EmbeddedBroker, EmbeddedBrokerBuilder};

use crate::client::{Client, Connect, broker, text};

const BOUND: Duration = Duration::from_secs(30);

fn builder() -> EmbeddedBrokerBuilder {
    EmbeddedBroker::builder().address("127.0.0.1:0")
}

/// A connection that says only what it is told to.
struct Raw(TcpStream);

impl Raw {
    fn open(broker: &EmbeddedBroker) -> Self {
        let stream = TcpStream::connect(broker.local_addr()).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_write_timeout(Some(BOUND)).unwrap();
        Self(stream)
    }

    /// Connects with a clean session, without keep alive; the CONNACK's code.
    fn connect(broker: &EmbeddedBroker, id: &str) -> (Self, u8) {
        let mut raw = Self::open(broker);
        let mut packet = vec![0x10, u8::try_from(12 + id.len()).unwrap()];
        packet.extend(b"\0\x04MQTT\x04\x02\0\0\0");
        packet.push(u8::try_from(id.len()).unwrap());
        packet.extend(id.as_bytes());
        raw.0.write_all(&packet).unwrap();
        let mut answer = [0; 4];
        raw.0.read_exact(&mut answer).unwrap();
        assert_eq!(answer[..2], [0x20, 2]);
        (raw, answer[3])
    }

    fn subscribe(&mut self, filter: &str) {
        let length = u8::try_from(filter.len()).unwrap();
        let mut packet = vec![0x82, 5 + length, 0, 1, 0, length];
        packet.extend(filter.as_bytes());
        packet.push(1);
        self.0.write_all(&packet).unwrap();
        let mut answer = [0; 5];
        self.0.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x90, 3, 0, 1, 1]);
    }

    /// Waits until the broker has closed it, whatever it still sends.
    fn closed(mut self) {
        let mut buffer = vec![0; 65536];
        let begin = Instant::now();
        while begin.elapsed() < BOUND {
            match self.0.read(&mut buffer) {
                Ok(0) => return,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return,
                Err(e) => panic!("the broker did not close the connection: {e}"),
            }
        }
        panic!("the broker goes on sending");
    }
}

/// The PUBLISH packet, at QoS 2 where it has an id.
fn publish(topic: &str, id: Option<u16>, payload: usize) -> Vec<u8> {
    let mut left = topic.len() + 2 + payload + if id.is_some() { 2 } else { 0 };
    let mut packet = vec![if id.is_some() { 0x34 } else { 0x30 }];
    loop {
        let more = if left > 127 { 0x80 } else { 0 };
        packet.push(u8::try_from(left & 0x7f).unwrap() | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    }
    packet.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
    packet.extend(topic.as_bytes());
    packet.extend(id.into_iter().flat_map(u16::to_be_bytes));
    packet.resize(packet.len() + payload, b'x');
    packet
}

#[tokio::test]
async fn connections_that_never_send_connect_shut_nobody_out_and_the_oldest_go() {
    let broker = broker().await;
    let mut silent: Vec<Raw> = (0..400).map(|_| Raw::open(&broker)).collect();
    let client = Client::to(&broker, "client").await;
    // By default 100 may stay.
    for raw in silent.drain(..300) {
        raw.closed();
    }
    client.disconnect().await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_must_complete_its_connect_within_the_time_for_it() {
    let broker = builder().connect_timeout(Duration::from_millis(200)).start().await.unwrap();
    let mut client = Client::to(&broker, "client").await;
    let mut partial = Raw::open(&broker);
    partial.0.write_all(b"\x10\x0d\0\x04MQ").unwrap();
    partial.closed();
    Raw::open(&broker).closed();
    // One that did is not looked at any more.
    client.subscribe("still/there", QoS::AtLeastOnce).await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn where_as_many_clients_are_connected_as_may_be_the_next_is_refused() {
    let broker = builder().max_clients(2).start().await.unwrap();
    let mut one = Client::to(&broker, "one").await;
    one.subscribe("topic", QoS::AtLeastOnce).await;
    let mut two = Client::to(&broker, "two").await;
    two.publish("topic", QoS::AtLeastOnce, "hello").await;
    let refused = Connect::to(&broker, "three").refused().await;
    assert_eq!(refused, ConnectReturnCode::ServiceUnavailable);
    // A client that is there already needs no other place.
    let two = Client::to(&broker, "two").await;
    two.disconnect().await;
    Client::to(&broker, "three").await.disconnect().await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn clients_that_do_nothing_make_room_for_the_next() {
    let broker = builder().max_clients(3).start().await.unwrap();
    let mut busy = Client::to(&broker, "busy").await;
    busy.subscribe("topic", QoS::AtLeastOnce).await;
    let (first, code) = Raw::connect(&broker, "idle-1");
    assert_eq!(code, 0);
    let (_second, code) = Raw::connect(&broker, "idle-2");
    assert_eq!(code, 0);
    let begin = Instant::now();
    // Each has five seconds to do something.
    let newcomer = loop {
        let (raw, code) = Raw::connect(&broker, "newcomer");
        if code == 0 {
            break raw;
        }
        assert_eq!(code, 3);
        assert!(begin.elapsed() < BOUND, "nobody makes room");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    first.closed();
    busy.publish("topic", QoS::AtLeastOnce, "still here").await;
    assert_eq!(busy.next_text().await, "still here");
    drop(newcomer);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn sessions_are_limited_and_those_that_keep_nothing_make_room() {
    let broker = builder().max_sessions(2).start().await.unwrap();
    let mut one = Connect::to(&broker, "one").persistent().connect().await;
    one.subscribe("topic", QoS::AtLeastOnce).await;
    one.disconnect().await;
    Connect::to(&broker, "empty").persistent().connect().await.disconnect().await;
    // Takes the place of the one without a subscription.
    let mut two = Connect::to(&broker, "two").persistent().connect().await;
    two.subscribe("topic", QoS::AtLeastOnce).await;
    two.disconnect().await;
    let refused = Connect::to(&broker, "three").persistent().refused().await;
    assert_eq!(refused, ConnectReturnCode::ServiceUnavailable);
    // Clean sessions are none, and those that are there are let in.
    Client::to(&broker, "clean").await.disconnect().await;
    assert!(Connect::to(&broker, "one").persistent().connect().await.session_present);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn retained_messages_are_limited_in_number() {
    let broker = builder().max_retained_messages(2).start().await.unwrap();
    let mut client = Client::to(&broker, "client").await;
    for (topic, payload) in [("a", "1"), ("b", "1"), ("c", "1"), ("b", "2")] {
        client.retain(topic, payload).await;
    }
    client.retain("a", "").await;
    client.retain("d", "1").await;
    client.subscribe("+", QoS::AtLeastOnce).await;
    client.publish("end", QoS::AtLeastOnce, "end").await;
    let mut kept: Vec<_> =
        client.before("end").await.iter().map(|m| (m.topic.clone(), text(m))).collect();
    kept.sort();
    assert_eq!(kept, [("b".to_owned(), "2".to_owned()), ("d".to_owned(), "1".to_owned())]);
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn retained_messages_are_limited_in_bytes() {
    let broker = builder().max_retained_bytes(100_000).start().await.unwrap();
    let mut client = Client::to(&broker, "client").await;
    client.send("a", QoS::AtLeastOnce, true, vec![b'1'; 60_000]).await;
    client.flush(QoS::AtLeastOnce).await;
    client.send("b", QoS::AtLeastOnce, true, vec![b'1'; 60_000]).await;
    client.flush(QoS::AtLeastOnce).await;
    // What replaces another takes its room.
    client.send("a", QoS::AtLeastOnce, true, vec![b'2'; 70_000]).await;
    client.flush(QoS::AtLeastOnce).await;
    client.subscribe("+", QoS::AtLeastOnce).await;
    client.publish("end", QoS::AtLeastOnce, "end").await;
    let kept = client.before("end").await;
    assert_eq!(
        kept.iter().map(|m| (&*m.topic, m.payload.len())).collect::<Vec<_>>(),
        [("a", 70_000)]
    );
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn filters_are_limited_for_each_client() {
    let broker = builder().max_filters(2).start().await.unwrap();
    let mut client = Client::to(&broker, "client").await;
    client.subscribe("a", QoS::AtLeastOnce).await;
    client.subscribe("b", QoS::AtLeastOnce).await;
    client.subscribe("b", QoS::AtLeastOnce).await;
    assert!(!client.may_subscribe("c").await);
    let mut other = Client::to(&broker, "other").await;
    other.subscribe("c", QoS::AtLeastOnce).await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn the_queue_of_an_absent_session_is_limited_in_number_and_bytes() {
    let broker = builder().max_queued_messages(5).max_queued_bytes(50_000).start().await.unwrap();
    for id in ["small", "large"] {
        let mut client = Connect::to(&broker, id).persistent().connect().await;
        client.subscribe(id, QoS::AtLeastOnce).await;
        client.disconnect().await;
    }
    let mut publisher = Client::to(&broker, "publisher").await;
    for number in 0..20 {
        publisher.publish("small", QoS::AtLeastOnce, number.to_string()).await;
        publisher.publish("large", QoS::AtLeastOnce, vec![number; 20_000]).await;
    }
    for (id, expected) in [("small", 5), ("large", 2)] {
        let mut client = Connect::to(&broker, id).persistent().connect().await;
        for _ in 0..expected {
            client.next().await;
        }
        publisher.publish(id, QoS::AtLeastOnce, "end").await;
        assert!(client.before("end").await.is_empty());
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_subscriber_that_does_not_read_is_disconnected_and_others_get_everything() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let broker = builder().max_queued_bytes(4_000_000).start().await.unwrap();
        let (mut unread, _) = Raw::connect(&broker, "unread");
        unread.subscribe("#");
        let mut reader = Client::to(&broker, "reader").await;
        reader.subscribe("data/+", QoS::AtLeastOnce).await;
        let mut publisher = Client::to(&broker, "publisher").await;
        // More than fits into the sockets' buffers together with the limit.
        for number in 0..300_u32 {
            publisher.send(&format!("data/{number}"), qos, false, vec![0; 100_000]).await;
            let ((), message) = tokio::join!(publisher.flush(qos), reader.next());
            assert_eq!(message.topic, format!("data/{number}"));
        }
        unread.closed();
        broker.stop().await.unwrap();
    }
}

#[tokio::test]
async fn what_all_sessions_hold_together_is_limited() {
    const MOST: usize = 2_000_000;
    let broker = builder().max_held_bytes(MOST).start().await.unwrap();
    for number in 0..10 {
        let id = format!("absent-{number}");
        let mut client = Connect::to(&broker, &id).persistent().connect().await;
        client.subscribe("copies", QoS::AtLeastOnce).await;
        client.disconnect().await;
    }
    let mut publisher = Client::to(&broker, "publisher").await;
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..30 {
            publisher.publish("copies", qos, vec![0; 50_000]).await;
        }
    }
    let mut held = 0;
    for number in 0..10 {
        let id = format!("absent-{number}");
        let mut client = Connect::to(&broker, &id).persistent().connect().await;
        publisher.publish("copies", QoS::AtLeastOnce, "end").await;
        // While it is handed over, what is queued and what is unread may be too much together: then
        // the connection goes for which the most is held.
        let came = client.before_or_closed("end").await;
        held += came.iter().map(|message| message.payload.len()).sum::<usize>();
        drop(client);
        // The next one's end is not for it.
        Client::to(&broker, &id).await.disconnect().await;
    }
    // One message is routed to all before it is looked again.
    assert!(held <= MOST + 10 * 50_000, "{held}");
    assert!(held >= MOST / 8, "{held}");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn messages_of_qos_2_that_are_never_released_cost_their_sender_the_connection() {
    let broker = builder().max_held_bytes(1_000_000).start().await.unwrap();
    let (mut raw, _) = Raw::connect(&broker, "hoarder");
    for id in 1..=30 {
        // The broker may have closed it by now.
        if raw.0.write_all(&publish("hoard", Some(id), 100_000)).is_err() {
            break;
        }
    }
    raw.closed();
    let mut client = Client::to(&broker, "client").await;
    client.publish("topic", QoS::ExactlyOnce, "others go on").await;
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_topic_or_connect_too_long_to_copy_costs_its_sender_the_connection() {
    let broker = broker().await;
    let (mut raw, _) = Raw::connect(&broker, "long");
    raw.0.write_all(&publish(&"a".repeat(4096), None, 10)).unwrap();
    raw.0.write_all(b"\xc0\0").unwrap();
    let mut pong = [0; 2];
    raw.0.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0xd0, 0]);
    raw.0.write_all(&publish(&"a".repeat(4097), None, 10)).unwrap();
    raw.closed();

    let mut raw = Raw::open(&broker);
    raw.0.write_all(b"\x10\x81\x80\x04").unwrap();
    raw.closed();
    broker.stop().await.unwrap();
}
