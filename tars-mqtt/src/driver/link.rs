use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use crate::net::Stream;
use crate::wire::v4::{self, Decoder};
use crate::wire::{Direction, Packet, PacketSink, Publish, RawPacket, TrafficTap};

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
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, String> {
        let received = self.decoder.decode(&mut self.read)?;
        if let Some(received) = &received {
            self.tap.show(Direction::Incoming, || v4::shown(received));
        }
        Ok(received)
    }

    /// What has arrived and was not taken apart yet.
    pub(super) fn received(&self) -> &[u8] {
        &self.read
    }

    /// The next packet before the session begins: the broker's answer to CONNECT.
    pub(super) fn next_raw(&mut self, max: usize) -> Result<Option<RawPacket>, String> {
        let received = RawPacket::read(&mut self.read, max)?;
        if let Some(received) = &received {
            self.tap.show(Direction::Incoming, || Some(received.clone().into_shown()));
        }
        Ok(received)
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

    /// Ends the stream in order, so that what was written last still arrives.
    pub(crate) async fn close(mut self) -> io::Result<()> {
        while self.has_unsent() {
            self.drive(false).await?;
        }
        std::future::poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await
    }
}

impl PacketSink for Link {
    fn has_room(&self) -> bool {
        self.write.len() < WRITE_LIMIT
    }

    fn publish(&mut self, publish: &Publish, id: u16, dup: bool) {
        v4::publish(publish, id, dup, &mut self.write);
        self.tap.show(Direction::Outgoing, || Some(v4::shown_publish(publish, id, dup)));
    }

    fn send(&mut self, packet: Packet) {
        match v4::packet(&packet, &mut self.write) {
            Ok(()) => self.tap.show(Direction::Outgoing, || v4::shown(&packet)),
            Err(error) => tracing::error!(error, "a packet could not be encoded"),
        }
    }

    fn send_raw(&mut self, packet: RawPacket) {
        match packet.write(&mut self.write) {
            Ok(()) => self.tap.show(Direction::Outgoing, || Some(packet.into_shown())),
            Err(error) => tracing::error!(error, "a packet could not be encoded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::wire::Ack;

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
                assert!(matches!(received, Packet::PubAck(Ack { id: 1, .. })));
                for _ in 0..100 {
                    link.send(Packet::PubAck(1.into()));
                }
            }
        }
        flooding.abort();
    }
}
