use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use rumqttc::{Packet, SubscribeFilter};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::codec::{Decoder, Publish, Received, shown, to_rumqttc};
use super::dial::Stream;
use super::traffic::{Direction, TrafficTap};
use crate::QoS;

/// Read at once at the most. Small enough that a message which is kept for long does not keep much
/// else in memory, large enough for some hundred messages a system call.
const READ_CHUNK: usize = 32 * 1024;

/// Unsent bytes from which on nothing more is taken from the outbox.
const WRITE_LIMIT: usize = 64 * 1024;

/// Unsent bytes beyond those of a message from which on nothing more is read: what is read is answered,
/// and a broker that goes on sending without reading the answers must not fill the memory with them.
const ANSWERS_LIMIT: usize = 1024 * 1024;

/// An open connection: bytes in, bytes out, packets between them.
pub(crate) struct Link {
    stream: Box<dyn Stream>,
    decoder: Decoder,
    read: BytesMut,
    write: BytesMut,
    /// Unsent bytes from which on nothing more is read.
    unread_from: usize,
    /// Bytes were handed to the stream that it may hold back until it is flushed.
    unflushed: bool,
    /// Bytes handed to the stream in all.
    written: u64,
    tap: TrafficTap,
}

/// Which acknowledgement goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ack {
    /// PUBACK: a QoS 1 message is done with.
    Publish(u16),
    /// PUBREC: a QoS 2 message is done with.
    Received(u16),
    /// PUBREL: our QoS 2 message may be released.
    Release(u16),
    /// PUBCOMP: the broker's QoS 2 message is released.
    Complete(u16),
}

impl Link {
    pub(super) fn new(stream: Box<dyn Stream>, max_packet_size: usize, tap: TrafficTap) -> Self {
        Self {
            stream,
            decoder: Decoder::new(max_packet_size),
            read: BytesMut::new(),
            write: BytesMut::new(),
            unread_from: WRITE_LIMIT + max_packet_size + ANSWERS_LIMIT,
            unflushed: false,
            written: 0,
            tap,
        }
    }

    /// A link that goes nowhere, to look at what is written.
    #[cfg(test)]
    pub(crate) fn detached() -> Self {
        let (stream, _) = tokio::io::duplex(1);
        Self::new(Box::new(stream), 1024 * 1024, TrafficTap::default())
    }

    /// The packets that were written since the last time.
    #[cfg(test)]
    pub(crate) fn take_written(&mut self) -> Vec<Packet> {
        let mut bytes = self.write.split();
        std::iter::from_fn(|| Packet::read(&mut bytes, usize::MAX).ok()).collect()
    }

    /// Reads and writes until something has arrived, or until everything has been written when
    /// there was something to write. Returns the number of bytes read. With `reading` off only
    /// writes.
    ///
    /// Cancelling it loses nothing.
    pub(crate) async fn drive(&mut self, reading: bool) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll_drive(context, reading)).await
    }

    fn poll_drive(&mut self, context: &mut Context<'_>, reading: bool) -> Poll<io::Result<usize>> {
        let had_unsent = self.has_unsent();
        while !self.write.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.write) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.write.advance(written);
                    self.written += written as u64;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(context)?.is_ready() {
            self.unflushed = false;
        }
        if reading && self.write.len() < self.unread_from {
            match self.poll_read(context) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the broker closed the connection",
                    )));
                }
                Poll::Ready(result) => return Poll::Ready(result),
                Poll::Pending => {}
            }
        }
        if had_unsent && !self.has_unsent() { Poll::Ready(Ok(0)) } else { Poll::Pending }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.read.capacity() - self.read.len() < READ_CHUNK / 4 {
            self.read.reserve(READ_CHUNK);
            self.decoder.enlarged(&self.read);
        }
        pin!(self.stream.read_buf(&mut self.read)).poll(context)
    }

    /// The next packet that has arrived whole.
    pub(crate) fn next(&mut self) -> Result<Option<Received>, String> {
        let received = self.decoder.decode(&mut self.read)?;
        if let Some(received) = &received {
            self.tap.show(Direction::Incoming, || shown(received));
        }
        Ok(received)
    }

    /// What has arrived and was not taken apart yet.
    pub(super) fn received(&self) -> &[u8] {
        &self.read
    }

    /// The next packet before the session begins: the broker's answer to CONNECT.
    pub(super) fn next_raw(&mut self, max: usize) -> Result<Option<Packet>, String> {
        match Packet::read(&mut self.read, max) {
            Ok(packet) => {
                self.tap.show(Direction::Incoming, || Some(packet.clone()));
                Ok(Some(packet))
            }
            Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Nothing will be written soon that could carry the system's acknowledgement of what has come.
    pub(crate) fn acknowledge_at_once(&self) {
        self.stream.acknowledge_at_once();
    }

    pub(crate) fn has_unsent(&self) -> bool {
        !self.write.is_empty() || self.unflushed
    }

    /// Bytes that the stream has taken so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Whether more can be queued for writing without the buffer growing beyond its bound.
    pub(crate) fn has_room(&self) -> bool {
        self.write.len() < WRITE_LIMIT
    }

    pub(crate) fn publish(&mut self, publish: &mut Publish, id: u16, dup: bool) {
        publish.0.pkid = id;
        publish.0.dup = dup;
        if let Err(error) = publish.0.write(&mut self.write) {
            // Sizes are checked when a message is handed in, and ids are never 0.
            tracing::error!(topic = publish.topic(), %error, "a message could not be encoded");
            return;
        }
        self.tap.show(Direction::Outgoing, || Some(Packet::Publish(publish.0.clone())));
    }

    pub(crate) fn acknowledge(&mut self, ack: Ack) {
        // Four bytes each (sections 3.4 to 3.7).
        let (first, id) = match ack {
            Ack::Publish(id) => (0x40, id),
            Ack::Received(id) => (0x50, id),
            Ack::Release(id) => (0x62, id),
            Ack::Complete(id) => (0x70, id),
        };
        let [high, low] = id.to_be_bytes();
        self.write.extend_from_slice(&[first, 2, high, low]);
        self.tap.show(Direction::Outgoing, || {
            Some(match ack {
                Ack::Publish(id) => Packet::PubAck(rumqttc::PubAck::new(id)),
                Ack::Received(id) => Packet::PubRec(rumqttc::PubRec::new(id)),
                Ack::Release(id) => Packet::PubRel(rumqttc::PubRel::new(id)),
                Ack::Complete(id) => Packet::PubComp(rumqttc::PubComp::new(id)),
            })
        });
    }

    pub(crate) fn subscribe<'a>(&mut self, id: u16, filters: impl Iterator<Item = (&'a str, QoS)>) {
        let filters = filters
            .map(|(filter, qos)| SubscribeFilter::new(filter.to_owned(), to_rumqttc(qos)))
            .collect();
        self.send(Packet::Subscribe(rumqttc::Subscribe { pkid: id, filters }));
    }

    pub(crate) fn unsubscribe(&mut self, id: u16, filters: Vec<String>) {
        self.send(Packet::Unsubscribe(rumqttc::Unsubscribe { pkid: id, topics: filters }));
    }

    pub(crate) fn ping(&mut self) {
        self.send(Packet::PingReq);
    }

    pub(crate) fn disconnect(&mut self) {
        self.send(Packet::Disconnect);
    }

    pub(crate) fn send(&mut self, packet: Packet) {
        match packet.write(&mut self.write, usize::MAX) {
            Ok(_) => self.tap.show(Direction::Outgoing, || Some(packet)),
            Err(error) => tracing::error!(%error, "a packet could not be encoded"),
        }
    }

    /// Ends the stream in order, so that what was written last still arrives.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        while self.has_unsent() {
            self.drive(false).await?;
        }
        std::future::poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn nothing_more_is_read_of_a_broker_that_takes_no_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let mut broker = accepted.unwrap().0;
        let mut link = Link::new(Box::new(client.unwrap()), 1024, TrafficTap::default());
        // Until neither the system nor the link takes more.
        let piece = [0x40, 2, 0, 1].repeat(16 * 1024);
        let flooding = tokio::spawn(async move { while broker.write_all(&piece).await.is_ok() {} });
        let moment = Duration::from_millis(300);
        let bound = WRITE_LIMIT + 1024 + ANSWERS_LIMIT + 100 * 2 * READ_CHUNK;
        while let Ok(read) = tokio::time::timeout(moment, link.drive(true)).await {
            read.unwrap();
            // What one read of its chunk brings is answered still.
            assert!(link.write.len() < bound, "{}", link.write.len());
            while let Some(received) = link.next().unwrap() {
                assert!(matches!(received, Received::PubAck(1)));
                for _ in 0..100 {
                    link.acknowledge(Ack::Publish(1));
                }
            }
        }
        flooding.abort();
    }
}
