//! WebSocket as a transport: what holds for TCP holds for it.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use rumqttc::mqttbytes::Error;
use rumqttc::{ConnAck, ConnectReturnCode, Packet, Publish, QoS, SubAck, SubscribeReasonCode};
use tars_mqtt::prelude::{App, Bytes, Client, Config, State, subscribe};
use tests::{Logs, eventually, unique_id, within};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

#[derive(Clone)]
struct Seen(mpsc::UnboundedSender<usize>);

#[subscribe("bytes")]
async fn small(State(Seen(seen)): State<Seen>, payload: Bytes) {
    seen.send(payload.len()).unwrap();
}

/// A broker that speaks WebSocket, as far as a test drives it.
struct Socket {
    frames: WebSocketStream<TcpStream>,
    read: BytesMut,
}

impl Socket {
    /// A connection whose CONNECT has been accepted.
    #[expect(clippy::result_large_err, reason = "the library gives the type")]
    async fn accept(listener: &TcpListener) -> Self {
        let (stream, _) = within("a connection", listener.accept()).await.unwrap();
        let with_protocol = |_: &Request, mut response: Response| {
            let mqtt = HeaderValue::from_static("mqtt");
            response.headers_mut().insert("Sec-WebSocket-Protocol", mqtt);
            Ok(response)
        };
        let frames = accept_hdr_async(stream, with_protocol).await.unwrap();
        let mut socket = Self { frames, read: BytesMut::new() };
        assert!(matches!(socket.next().await, Packet::Connect(_)));
        let ack = ConnAck::new(ConnectReturnCode::Success, false);
        socket.send(&Packet::ConnAck(ack), usize::MAX).await;
        socket
    }

    async fn next(&mut self) -> Packet {
        loop {
            match Packet::read(&mut self.read, usize::MAX) {
                Ok(packet) => return packet,
                Err(Error::InsufficientBytes(_)) => {}
                Err(error) => panic!("the client sent nonsense: {error}"),
            }
            let frame = within("a frame", self.frames.next()).await.unwrap().unwrap();
            if let Message::Binary(bytes) = frame {
                self.read.extend_from_slice(&bytes);
            }
        }
    }

    /// Sends a packet in frames of this size, each a message of its own.
    async fn send(&mut self, packet: &Packet, size: usize) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        while !bytes.is_empty() {
            let piece = bytes.split_to(size.min(bytes.len())).freeze();
            self.frames.send(Message::Binary(piece)).await.unwrap();
        }
    }

    async fn publish(&mut self, id: u16, size: usize, frame: usize) {
        let mut publish = Publish::new("bytes", QoS::AtLeastOnce, vec![b'x'; size]);
        publish.pkid = id;
        self.send(&Packet::Publish(publish), frame).await;
    }

    async fn acknowledged(&mut self) -> u16 {
        match self.next().await {
            Packet::PubAck(ack) => ack.pkid,
            other => panic!("{other:?} instead of PUBACK"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_refused_and_acknowledged_over_websocket_too() {
    let logs = Logs::of_this_process();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, mut seen) = mpsc::unbounded_channel();
    let config = Config::new(format!("ws://127.0.0.1:{port}"), unique_id("large")).unwrap();
    let starting = tokio::spawn(App::bare(config).handler::<small>().state(Seen(sender)).start());
    let mut broker = Socket::accept(&listener).await;
    let Packet::Subscribe(subscribe) = broker.next().await else { panic!("no SUBSCRIBE") };
    let granted = SubAck::new(subscribe.pkid, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)]);
    broker.send(&Packet::SubAck(granted), usize::MAX).await;
    let service = within("the start", starting).await.unwrap().unwrap();
    const MIB: usize = 1024 * 1024;
    // In one frame each, or in many; beyond what WebSocket libraries take for a frame or a message.
    let sizes = [(17 * MIB, usize::MAX), (70 * MIB, usize::MAX), (17 * MIB, 10_000)];
    for (id, (size, frame)) in (1..).zip(sizes) {
        broker.publish(id, size, frame).await;
        assert_eq!(broker.acknowledged().await, id);
    }
    broker.publish(9, 1000, 7).await;
    assert_eq!(broker.acknowledged().await, 9);
    assert_eq!(within("the small one", seen.recv()).await, Some(1000));
    assert_eq!(logs.count(&["WARN", "topic=\"bytes\"", "MQTT_MAX_PACKET_SIZE"]), 3);
    assert_eq!(logs.count(&["the connection is lost"]), 0);
    drop(service);
}

/// The first line of what a client asks a web server for.
async fn asked_for(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = within("a connection", listener.accept()).await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(within("a byte", stream.read_u8()).await.unwrap());
    }
    (stream, String::from_utf8(request).unwrap().lines().next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_a_url_reaches_the_server_and_no_log() {
    let logs = Logs::of_this_process();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("ws://127.0.0.1:{port}/mqtt/x?token=hunter2-query&y");
    let config = Config::new(url, unique_id("query"))
        .unwrap()
        .reconnect_delay(Duration::from_millis(100), Duration::from_millis(500));
    let connecting = tokio::spawn(Client::connect(config));
    let (mut stream, line) = asked_for(&listener).await;
    assert_eq!(line, "GET /mqtt/x?token=hunter2-query&y HTTP/1.1");
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let shown = format!("ws://127.0.0.1:{port}/mqtt/x?***");
    eventually("it is said", || logs.contain(&["WARN", &shown, "404", "the path in MQTT_URL"]))
        .await;
    assert_eq!(logs.count(&["hunter2-query"]), 0);
    connecting.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_a_server_that_is_no_websocket_is_told_on_one_line() {
    let logs = Logs::of_this_process();
    for (number, answer) in [
        "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        format!("HTTP/1.1 500 {}\r\n\r\n", "\u{202e}x".repeat(1000)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500)),
        "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}F".to_owned(),
        "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let config = Config::new(&url, unique_id(&format!("no-websocket-{number}"))).unwrap();
        let connecting = tokio::spawn(Client::connect(config));
        let (mut stream, _) = asked_for(&listener).await;
        stream.write_all(answer.as_bytes()).await.unwrap();
        drop(stream);
        eventually("it is said", || logs.contain(&["WARN", &url, "cannot connect: WebSocket: "]))
            .await;
        assert_eq!(logs.count(&["\u{202e}"]) + logs.count(&["\n"]), 0);
        connecting.abort();
    }
}
