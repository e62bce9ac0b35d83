use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use rumqttc::mqttbytes::Error;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Packet, PingResp, QoS, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck,
};

/// The topic on which a subject says that it is ready, and a server hears that it has subscribed.
pub const READY: &str = "bench/ready";

/// The other end of a connection, blocking. Keeps the protocol going by itself.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    chunk: Vec<u8>,
    input: BytesMut,
    output: BytesMut,
    /// Filters that the other side has subscribed to.
    subscribed: usize,
    is_server: bool,
}

impl Peer {
    fn new(stream: TcpStream, is_server: bool) -> anyhow::Result<Self> {
        stream.set_nodelay(true)?;
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Ok(Self { stream, chunk: vec![0; 256 * 1024], input, output, subscribed: 0, is_server })
    }

    /// Accepts the next connection, as a server.
    pub fn accept(listener: &TcpListener) -> anyhow::Result<Self> {
        Self::new(listener.accept()?.0, true)
    }

    /// Connects to a broker, as a client that hears of readiness and of responses.
    pub fn connect(port: u16) -> anyhow::Result<Self> {
        let mut peer = Self::new(TcpStream::connect(("127.0.0.1", port))?, false)?;
        let mut connect = Connect::new("load");
        connect.keep_alive = 0;
        peer.write(&Packet::Connect(connect))?;
        for (id, topic) in [(1, READY), (2, "bench/response")] {
            let mut subscribe = Subscribe::new(topic, QoS::AtLeastOnce);
            subscribe.pkid = id;
            peer.write(&Packet::Subscribe(subscribe))?;
        }
        peer.flush()?;
        let mut answers = 0;
        while answers < 3 {
            answers += peer.read()?.context("the broker refuses")?.len();
        }
        Ok(peer)
    }

    /// A second handle to the connection, for a thread of its own.
    pub fn reader(&self) -> anyhow::Result<TcpStream> {
        Ok(self.stream.try_clone()?)
    }

    /// Waits until the subject has subscribed to all it wants.
    pub fn wait_for_subscriptions(&mut self, count: usize) -> anyhow::Result<()> {
        let mut is_ready = false;
        while !is_ready {
            let packets = self.read()?.context("the subject has gone")?;
            is_ready = packets
                .iter()
                .any(|packet| matches!(packet, Packet::Publish(publish) if publish.topic == READY));
            if self.is_server {
                is_ready = self.subscribed >= count;
            }
        }
        Ok(())
    }

    /// Reads what has come, and answers what any server answers. `None` at the end.
    pub fn read(&mut self) -> anyhow::Result<Option<Vec<Packet>>> {
        let read = self.stream.read(&mut self.chunk).unwrap_or(0);
        if read == 0 {
            return Ok(None);
        }
        self.input.extend_from_slice(&self.chunk[..read]);
        let mut packets = Vec::new();
        loop {
            match Packet::read(&mut self.input, usize::MAX) {
                Ok(packet) => {
                    self.answer(&packet)?;
                    packets.push(packet);
                }
                Err(Error::InsufficientBytes(_)) => break,
                Err(error) => bail!("{error}"),
            }
        }
        Ok(Some(packets))
    }

    fn answer(&mut self, packet: &Packet) -> anyhow::Result<()> {
        let answer = match packet {
            Packet::Connect(_) => Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)),
            Packet::Subscribe(subscribe) => {
                self.subscribed += subscribe.filters.len();
                let granted = subscribe.filters.iter().map(|f| SubscribeReasonCode::Success(f.qos));
                Packet::SubAck(SubAck::new(subscribe.pkid, granted.collect()))
            }
            Packet::Unsubscribe(unsubscribe) => Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)),
            Packet::PingReq => {
                PingResp.write(&mut self.output)?;
                return self.flush();
            }
            _ => return Ok(()),
        };
        self.write(&answer)?;
        self.flush()
    }

    /// Lays a packet out to be written.
    pub fn write(&mut self, packet: &Packet) -> anyhow::Result<()> {
        packet.write(&mut self.output, usize::MAX)?;
        Ok(())
    }

    /// Lays bytes out to be written.
    pub fn write_bytes(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Writes what was laid out.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }
}
