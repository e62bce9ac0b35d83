use bytes::BytesMut;
use rumqttc::mqttbytes::Error;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, Publish, QoS, SubAck, Subscribe,
    SubscribeReasonCode,
};
use tars_mqtt::{App, Config, Running};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{unique_id, within};

/// An MQTT server that a test drives packet by packet.
pub struct ScriptedServer(TcpListener);

impl ScriptedServer {
    pub async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.0.local_addr().expect("its address"))
    }

    /// Settings of a client of this server, with short pauses between attempts to connect.
    pub fn config(&self) -> Config {
        Config::new(self.url(), unique_id("scripted"))
            .expect("the settings are valid")
            .reconnect_delay(
                std::time::Duration::from_millis(100),
                std::time::Duration::from_millis(500),
            )
    }

    /// The next connection, before anything has been said.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = Connection> {
        let accepted = within("a connection", self.0.accept());
        async move {
            let (stream, _) = accepted.await.expect("a connection");
            stream.set_nodelay(true).expect("the option is known");
            Connection { stream, read: BytesMut::new() }
        }
    }

    /// The next connection, accepted with CONNACK.
    pub async fn connected(&self, session_present: bool) -> Connection {
        let mut connection = self.accept().await;
        connection.connect().await;
        let ack = ConnAck::new(ConnectReturnCode::Success, session_present);
        connection.send(Packet::ConnAck(ack)).await;
        connection
    }

    /// Starts a service that has one SUBSCRIBE to send, which is granted.
    pub async fn start_service(&self, app: App) -> (Running, Connection) {
        let (service, connection) = tokio::join!(app.start(), async {
            let mut connection = self.connected(false).await;
            connection.subscribe().await;
            connection
        });
        (service.expect("the service starts"), connection)
    }
}

/// One connection of a scripted server.
pub struct Connection {
    stream: TcpStream,
    read: BytesMut,
}

impl Connection {
    /// The next packet; `None` when the client has closed the connection.
    pub async fn next(&mut self) -> Option<Packet> {
        within("a packet", async {
            loop {
                match Packet::read(&mut self.read, usize::MAX) {
                    Ok(packet) => return Some(packet),
                    Err(Error::InsufficientBytes(_)) => {}
                    Err(error) => panic!("the client sent nonsense: {error}"),
                }
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    pub async fn connect(&mut self) -> Connect {
        match self.next().await {
            Some(Packet::Connect(connect)) => connect,
            other => panic!("{other:?} instead of CONNECT"),
        }
    }

    /// The next SUBSCRIBE, answered with what it asks for.
    pub async fn subscribe(&mut self) -> Subscribe {
        match self.next().await {
            Some(Packet::Subscribe(subscribe)) => {
                let granted = subscribe
                    .filters
                    .iter()
                    .map(|filter| SubscribeReasonCode::Success(filter.qos))
                    .collect();
                self.send(Packet::SubAck(SubAck::new(subscribe.pkid, granted))).await;
                subscribe
            }
            other => panic!("{other:?} instead of SUBSCRIBE"),
        }
    }

    /// The next PUBLISH, not answered.
    pub async fn publish(&mut self) -> Publish {
        match self.next().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("{other:?} instead of PUBLISH"),
        }
    }

    /// The id of the next PUBACK.
    pub async fn puback(&mut self) -> u16 {
        match self.next().await {
            Some(Packet::PubAck(PubAck { pkid })) => pkid,
            other => panic!("{other:?} instead of PUBACK"),
        }
    }

    pub async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).expect("the packet can be encoded");
        self.send_bytes(&bytes).await;
    }

    /// Sends a message at QoS 1.
    pub async fn deliver(&mut self, topic: &str, payload: &str, id: u16, dup: bool) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = id;
        publish.dup = dup;
        self.send(Packet::Publish(publish)).await;
    }

    /// Sends any bytes.
    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the client is there");
    }
}
