//! The frames of a WebSocket connection (RFC 6455, section 5), as a stream of the bytes inside.
//!
//! What the frames carry is handed on as it arrives, however large frame and message are: MQTT knows
//! no borders of frames (MQTT-6.0.0-2), and has its own way to pass over what is too large. Memory is
//! therefore bounded by two buffers, and does not depend on what the other side sends.

use std::future::Future as _;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::stream::Stream;
use crate::log::quoted;

/// Read at once at the most.
const READ_CHUNK: usize = 32 * 1024;

/// Sent in one frame at the most. There are never more frames than one that wait to be written.
const WRITE_CHUNK: usize = 64 * 1024;

/// What a ping may carry (section 5.5).
const CONTROL_BYTES: usize = 125;

/// In the place of a size: it follows in two bytes, or in eight (section 5.2).
const SHORT: u8 = 0x7e;
const LONG: u8 = 0x7f;

/// Beside the size: a mask follows it.
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A close for no particular reason (section 7.4.1).
const NORMAL: u16 = 1000;

/// The bytes inside the frames, without their borders.
pub(super) struct Frames {
    stream: Box<dyn Stream>,
    /// What has arrived and was not taken apart yet.
    raw: BytesMut,
    /// Bytes still to come of a frame with data.
    left: u64,
    /// The last frame with data was not the end of its message.
    unfinished: bool,
    /// Frames that are not written yet: one with data, and what ends the connection.
    out: BytesMut,
    /// Written, and possibly held back until it is flushed.
    unflushed: bool,
    /// What the latest ping carried. Only that one need be answered (section 5.5.3), so that pings
    /// pile up nothing while the other side does not read.
    ping: Option<Vec<u8>>,
    goodbye: Goodbye,
}

/// How far the closing handshake has come (section 5.5.1).
#[derive(Clone, Copy, PartialEq)]
enum Goodbye {
    Unsaid,
    Said,
    /// The other side has said it, and been answered: nothing comes after it.
    Heard,
}

/// The beginning of a frame.
struct Head {
    last: bool,
    opcode: u8,
    payload: u64,
    len: usize,
}

impl Frames {
    /// `raw` is what has arrived after the handshake already.
    pub(super) fn new(stream: Box<dyn Stream>, raw: BytesMut) -> Self {
        Self {
            stream,
            raw,
            left: 0,
            unfinished: false,
            out: BytesMut::new(),
            unflushed: false,
            ping: None,
            goodbye: Goodbye::Unsaid,
        }
    }

    /// Reads more. Returns whether there was any.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.raw.capacity() - self.raw.len() < READ_CHUNK / 4 {
            self.raw.reserve(READ_CHUNK);
        }
        pin!(self.stream.read_buf(&mut self.raw)).poll(context).map_ok(|read| read > 0)
    }

    /// Writes what waits, until nothing is left.
    fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.out.is_empty()
                && let Some(carried) = self.ping.take()
                && self.goodbye == Goodbye::Unsaid
            {
                self.frame(PONG, &carried)?;
            }
            if self.out.is_empty() {
                break;
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// A whole frame, masked as a client's must be (section 5.3).
    fn frame(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut mask = [0; 4];
        getrandom::fill(&mut mask).map_err(io::Error::other)?;
        self.out.reserve(14 + payload.len());
        self.out.extend_from_slice(&[0x80 | opcode]);
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(len @ ..SHORT), _) => self.out.extend_from_slice(&[MASKED | len]),
            (_, Ok(len)) => {
                self.out.extend_from_slice(&[MASKED | SHORT]);
                self.out.extend_from_slice(&len.to_be_bytes());
            }
            _ => {
                self.out.extend_from_slice(&[MASKED | LONG]);
                self.out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        self.out.extend_from_slice(&mask);
        let begin = self.out.len();
        self.out.extend_from_slice(payload);
        for (byte, key) in self.out[begin..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= key;
        }
        Ok(())
    }

    /// Takes the beginning of the next frame in, and all of it if it carries no data. `false` when
    /// more bytes are needed.
    fn take_in(&mut self) -> io::Result<bool> {
        let Some(head) = Head::parse(&self.raw)? else { return Ok(false) };
        match head.opcode {
            CONTINUATION if self.unfinished => self.begin(&head),
            BINARY if !self.unfinished => self.begin(&head),
            CONTINUATION | BINARY => return Err(invalid("messages inside each other")),
            TEXT => return Err(invalid("a text frame, which MQTT forbids")),
            CLOSE | PING | PONG => return self.control(&head),
            _ => return Err(invalid("a frame of a kind that is not defined")),
        }
        Ok(true)
    }

    fn begin(&mut self, head: &Head) {
        self.raw.advance(head.len);
        self.left = head.payload;
        self.unfinished = !head.last;
    }

    fn control(&mut self, head: &Head) -> io::Result<bool> {
        let size = usize::try_from(head.payload).unwrap_or(usize::MAX);
        if size > CONTROL_BYTES || !head.last {
            return Err(invalid("a ping, pong or close that is too large or in pieces"));
        }
        if self.raw.len() < head.len + size {
            return Ok(false);
        }
        self.raw.advance(head.len);
        let carried = self.raw.split_to(size);
        match head.opcode {
            PING => self.ping = Some(carried.to_vec()),
            CLOSE => {
                if std::mem::replace(&mut self.goodbye, Goodbye::Heard) == Goodbye::Unsaid {
                    self.frame(CLOSE, carried.get(..2).unwrap_or_default())?;
                }
                if let Some((&[high, low], reason)) = carried.split_first_chunk()
                    && u16::from_be_bytes([high, low]) != NORMAL
                {
                    return Err(io::Error::other(format!(
                        "the broker closed the WebSocket with code {}: {}",
                        u16::from_be_bytes([high, low]),
                        quoted(&String::from_utf8_lossy(reason))
                    )));
                }
            }
            _ => {}
        }
        Ok(true)
    }
}

impl Head {
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some((&[first, second], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(invalid("a frame of an extension that was not agreed on"));
        }
        if second & MASKED != 0 {
            return Err(invalid("a masked frame, which a server must not send"));
        }
        let (payload, len) = match second {
            SHORT => match rest.first_chunk() {
                Some(size) => (u16::from_be_bytes(*size).into(), 4),
                None => return Ok(None),
            },
            LONG => match rest.first_chunk() {
                Some(size) => (u64::from_be_bytes(*size), 10),
                None => return Ok(None),
            },
            size => (size.into(), 2),
        };
        if payload >> 63 != 0 {
            return Err(invalid("a frame whose size cannot be"));
        }
        Ok(Some(Self { last: first & 0x80 != 0, opcode: first & 0x0f, payload, len }))
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("WebSocket: the broker sent {what}"))
}

impl Stream for Frames {
    fn acknowledge_at_once(&self) {
        self.stream.acknowledge_at_once();
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.left > 0 && !this.raw.is_empty() {
                let left = usize::try_from(this.left).unwrap_or(usize::MAX);
                let taken = left.min(this.raw.len()).min(buffer.remaining());
                buffer.put_slice(&this.raw[..taken]);
                this.raw.advance(taken);
                this.left -= taken as u64;
                return Poll::Ready(Ok(()));
            }
            let taken_in = this.left == 0 && this.goodbye != Goodbye::Heard && this.take_in()?;
            // Whoever reads may have nothing of its own to write. What cannot be written now is
            // tried again when the stream has room: that wakes whoever reads.
            if (this.ping.is_some() || !this.out.is_empty() || this.unflushed)
                && let Poll::Ready(Err(error)) = this.poll_out(context)
            {
                return Poll::Ready(Err(error));
            }
            if this.goodbye == Goodbye::Heard {
                return Poll::Ready(Ok(()));
            }
            if !taken_in && !ready!(this.poll_fill(context))? {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Frames {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_out(context))?;
        if this.goodbye != Goodbye::Unsaid {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let taken = bytes.len().min(WRITE_CHUNK);
        this.frame(BINARY, &bytes[..taken])?;
        match this.poll_out(context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(taken)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_out(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.goodbye == Goodbye::Unsaid {
            this.goodbye = Goodbye::Said;
            this.frame(CLOSE, &NORMAL.to_be_bytes())?;
        }
        ready!(this.poll_out(context))?;
        Pin::new(&mut this.stream).poll_shutdown(context)
    }
}

#[cfg(any(test, fuzzing))]
#[cfg_attr(fuzzing, allow(dead_code, unused_imports))]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
