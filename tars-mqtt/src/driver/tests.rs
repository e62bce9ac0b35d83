use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::handshake::{Opened, open};
use crate::config::Config;
use crate::net::{ConnectError, Network};
use crate::wire::TrafficTap;

/// A port, and what a server does with each connection to it.
async fn server<F>(serve: fn(TcpStream) -> F) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    address
}

async fn silent(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

async fn closing(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 512]).await;
}

async fn broker(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 512]).await;
    let _ = stream.write_all(&[0x20, 2, 0, 0]).await;
    std::future::pending::<()>().await;
}

async fn opened(url: &str, addresses: &[SocketAddr]) -> Result<Opened, ConnectError> {
    let config = Config::new(url, "svc").unwrap();
    let dialer = Network::prepare(&config).unwrap();
    dialer.name_stands_for(addresses.to_vec()).await;
    open(&dialer, &config, None, TrafficTap::default()).await
}

#[tokio::test]
async fn a_broker_at_the_second_address_is_found_within_seconds_when_the_first_says_nothing() {
    let begin = Instant::now();
    let addresses = [server(silent).await, server(broker).await];
    assert!(opened("mqtt://two.example", &addresses).await.is_ok());
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_failed_at_each_address_is_told() {
    let (one, two) = (server(closing).await, server(closing).await);
    let Err(ConnectError::Unanswered(reason)) = opened("mqtt://two.example", &[one, two]).await
    else {
        panic!("a closed connection is no answer")
    };
    for address in [one, two] {
        assert!(reason.contains(&format!("{address}: the broker closed")), "{reason}");
    }
}
