use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rumqttc::QoS;
use tars_mqtt::broker::EmbeddedBroker;

use crate::client::{Client, broker, within};

#[tokio::test]
async fn it_tells_the_free_port_it_took() {
    let broker = broker().await;
    let address = broker.local_addr();
    assert_eq!(address.ip(), Ipv4Addr::LOCALHOST);
    assert_ne!(address.port(), 0);
    assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{}", address.port()));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn on_all_addresses_its_url_names_one_that_can_be_connected_to() {
    let broker = EmbeddedBroker::start("0.0.0.0:0").await.unwrap();
    assert_eq!(broker.local_addr().ip(), Ipv4Addr::UNSPECIFIED);
    assert_eq!(broker.url(), format!("mqtt://127.0.0.1:{}", broker.local_addr().port()));
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_host_name_is_looked_up() {
    let broker = EmbeddedBroker::start("localhost:0").await.unwrap();
    assert!(broker.local_addr().ip().is_loopback());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn on_127_0_0_1_no_other_address_of_the_machine_reaches_it() {
    let broker = broker().await;
    let other = SocketAddr::from(([127, 0, 0, 2], broker.local_addr().port()));
    assert!(TcpStream::connect(other).is_err());
    assert!(TcpStream::connect(broker.local_addr()).is_ok());
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_the_address() {
    let broker = broker().await;
    let address = broker.local_addr().to_string();
    let error = EmbeddedBroker::start(&address).await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot listen on {address}: ")), "{error}");
    assert!(!error.contains('\n'), "{error}");
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error_that_names_it() {
    for address in ["", "nonsense", "127.0.0.1", "127.0.0.1:65536", "192.0.2.1:0"] {
        let error = EmbeddedBroker::start(address).await.unwrap_err().to_string();
        assert!(error.contains(&format!("cannot listen on {address}: ")), "{error}");
    }
}

#[tokio::test]
async fn it_can_be_stopped_and_started_on_the_same_port_again_and_again() {
    let mut broker = broker().await;
    let address = broker.local_addr();
    for _ in 0..3 {
        let mut client = Client::to(&broker, "client").await;
        client.subscribe("topic", QoS::AtLeastOnce).await;
        client.publish("topic", QoS::AtLeastOnce, "hello").await;
        assert_eq!(client.next_text().await, "hello");
        broker.stop().await.unwrap();
        client.closed().await;
        assert!(TcpStream::connect(address).is_err());
        broker = EmbeddedBroker::start(&address.to_string()).await.unwrap();
        assert_eq!(broker.local_addr(), address);
    }
    broker.stop().await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_long_for_a_client_that_never_finished_connecting() {
    let broker = broker().await;
    let silent = TcpStream::connect(broker.local_addr()).unwrap();
    // Its own connection is accepted after the other one.
    let client = Client::to(&broker, "client").await;
    let begin = Instant::now();
    broker.stop().await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10));
    drop((silent, client));
}

#[tokio::test]
async fn dropping_it_stops_it() {
    let broker = broker().await;
    let address = broker.local_addr().to_string();
    let mut client = Client::to(&broker, "client").await;
    drop(broker);
    client.closed().await;
    let again = within(async {
        loop {
            match EmbeddedBroker::start(&address).await {
                Ok(broker) => return broker,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    });
    again.await.stop().await.unwrap();
}

#[tokio::test]
async fn it_serves_clients_while_the_runtime_that_started_it_is_blocked() {
    let broker = broker().await;
    // This thread is the whole runtime, and waits in these calls.
    let mut client = TcpStream::connect(broker.local_addr()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    client.write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a").unwrap();
    let mut connack = [0; 4];
    client.read_exact(&mut connack).unwrap();
    assert_eq!(connack, [0x20, 2, 0, 0]);
    broker.stop().await.unwrap();
}

#[test]
fn it_outlives_the_runtime_that_started_it() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    let broker = first.block_on(broker());
    drop(first);
    runtime().block_on(async {
        Client::to(&broker, "client").await.disconnect().await;
        broker.stop().await.unwrap();
    });
}
