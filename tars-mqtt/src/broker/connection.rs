//! One client's connection, as the limits see it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use mqtt5::broker::transport::WebSocketTransport;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::frames::{Frames, Seen, TooLarge};

/// Sums over all connections of one broker.
#[derive(Debug, Default)]
pub(super) struct Totals {
    /// Bytes that the broker holds for them.
    pub(super) held: AtomicUsize,
    /// How many do not take what they are sent as fast as it comes.
    pub(super) slow: AtomicUsize,
    /// The largest message at QoS 2 that was released since it was last looked.
    pub(super) released: AtomicUsize,
}

/// What is known of a connection, shared by its stream and the guard.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: SocketAddr,
    pub(super) since: Instant,
    totals: Arc<Totals>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    closing: Option<&'static str>,
    waiting: [Option<Waker>; 2],
    client: Option<Arc<str>>,
    clean: bool,
    used: bool,
    incoming: Frames,
    outgoing: Frames,
    /// Messages that wait for an answer, with their sizes: whether we sent them, and the id.
    unanswered: HashMap<(bool, u16), usize>,
    unanswered_bytes: usize,
    /// What the client has been due since it stopped keeping up, and has not taken yet.
    due: Option<usize>,
    /// Its filters, looked up when it stopped keeping up.
    filters: Option<Arc<[String]>>,
}

const READING: usize = 0;
const WRITING: usize = 1;

impl Connection {
    pub(super) fn new(peer: SocketAddr, totals: Arc<Totals>) -> Self {
        let state = State {
            closing: None,
            waiting: [None, None],
            client: None,
            clean: false,
            used: false,
            incoming: Frames::new(true),
            outgoing: Frames::new(false),
            unanswered: HashMap::new(),
            unanswered_bytes: 0,
            due: None,
            filters: None,
        };
        Self { peer, since: Instant::now(), totals, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes it: its client sees the end of the stream.
    pub(super) fn close(&self, reason: &'static str) {
        let mut state = self.state();
        if state.closing.is_some() {
            return;
        }
        state.closing = Some(reason);
        self.let_go(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// Nothing is held for it any more.
    fn let_go(&self, state: &mut State) {
        let due = state.due.take();
        self.totals.slow.fetch_sub(usize::from(due.is_some()), Ordering::Relaxed);
        let held = due.unwrap_or(0) + std::mem::take(&mut state.unanswered_bytes);
        self.totals.held.fetch_sub(held, Ordering::Relaxed);
        state.unanswered = HashMap::new();
        state.filters = None;
    }

    /// Why it was closed from this side, if it was.
    pub(super) fn closing(&self) -> Option<&'static str> {
        self.state().closing
    }

    pub(super) fn accept(&self, client: Arc<str>, clean: bool) {
        let mut state = self.state();
        state.client = Some(client);
        state.clean = clean;
    }

    /// The client, once its CONNECT was accepted.
    pub(super) fn client(&self) -> Option<Arc<str>> {
        self.state().client.clone()
    }

    /// Whether its session ends with it.
    pub(super) fn is_clean(&self) -> bool {
        let state = self.state();
        state.client.is_some() && state.clean
    }

    /// Whether it neither subscribed nor published anything since it was accepted.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.client.is_some() && !state.used && state.closing.is_none()
    }

    /// Bytes that are held for it.
    pub(super) fn held(&self) -> usize {
        let state = self.state();
        state.unanswered_bytes + state.due.unwrap_or(0)
    }

    /// Whether it does not take what it is sent as fast as it comes.
    pub(super) fn is_slow(&self) -> bool {
        self.state().due.is_some()
    }

    /// Its filters, if they were looked up since it stopped keeping up.
    pub(super) fn filters(&self) -> Option<Arc<[String]>> {
        self.state().filters.clone()
    }

    pub(super) fn set_filters(&self, filters: Arc<[String]>) {
        self.state().filters = Some(filters);
    }

    /// A message comes for it while it does not keep up; what it is due then.
    pub(super) fn add_due(&self, bytes: usize) -> usize {
        let mut state = self.state();
        let Some(due) = state.due.as_mut() else { return 0 };
        *due += bytes;
        let due = *due;
        self.totals.held.fetch_add(bytes, Ordering::Relaxed);
        due
    }

    fn stalled(&self, state: &mut State) {
        if state.due.is_none() && state.closing.is_none() {
            state.due = Some(0);
            self.totals.slow.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn sent(&self, state: &mut State, bytes: &[u8]) {
        if let Some(due) = state.due.as_mut() {
            let taken = bytes.len().min(*due);
            *due -= taken;
            let done = *due == 0;
            self.totals.held.fetch_sub(taken, Ordering::Relaxed);
            if done {
                state.due = None;
                state.filters = None;
                self.totals.slow.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let State { outgoing, unanswered, unanswered_bytes, closing, .. } = state;
        if closing.is_some() {
            return;
        }
        // What the broker sends came in within the limits.
        let _: Result<(), TooLarge> = outgoing.follow(bytes, |seen| {
            if let Seen::Numbered { id, size, .. } = seen {
                let before = unanswered.insert((true, id), size).unwrap_or(0);
                *unanswered_bytes = *unanswered_bytes + size - before;
                self.totals.held.fetch_add(size, Ordering::Relaxed);
                self.totals.held.fetch_sub(before, Ordering::Relaxed);
            }
        });
    }

    fn received(&self, state: &mut State, bytes: &[u8]) -> Result<(), TooLarge> {
        let State { incoming, outgoing, unanswered, unanswered_bytes, used, .. } = state;
        incoming.follow(bytes, |seen| {
            let (held, freed) = match seen {
                Seen::Connect { v5 } => {
                    outgoing.v5 = v5;
                    (0, 0)
                }
                Seen::Publish | Seen::Subscribe | Seen::Numbered { qos: 0 | 1, .. } => {
                    *used = true;
                    (0, 0)
                }
                Seen::Numbered { id, size, .. } => {
                    *used = true;
                    (size, unanswered.insert((false, id), size).unwrap_or(0))
                }
                // PUBREL; PUBACK and PUBCOMP.
                Seen::Answer { kind: 6, id } => {
                    let size = unanswered.remove(&(false, id)).unwrap_or(0);
                    self.totals.released.fetch_max(size, Ordering::Relaxed);
                    (0, size)
                }
                Seen::Answer { kind: 4 | 7, id } => {
                    (0, unanswered.remove(&(true, id)).unwrap_or(0))
                }
                Seen::Answer { .. } => (0, 0),
            };
            *unanswered_bytes = *unanswered_bytes + held - freed;
            self.totals.held.fetch_add(held, Ordering::Relaxed);
            self.totals.held.fetch_sub(freed, Ordering::Relaxed);
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Nobody else has it any more.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.let_go(&mut state);
    }
}

/// The stream of a connection: what passes through it is followed, and it can be closed from
/// outside.
///
/// `mqtt5` takes a stream of ours only as one of WebSocket; it then reads and writes MQTT through
/// it like through any other.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) connection: Arc<Connection>,
}

impl WebSocketTransport for Watched {
    fn peer_addr(&self) -> mqtt5::error::Result<SocketAddr> {
        Ok(self.connection.peer)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Self { stream, connection } = self.get_mut();
        let mut state = connection.state();
        if state.closing.is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(stream).poll_read(cx, buffer);
        match polled {
            Poll::Pending => state.waiting[READING] = Some(cx.waker().clone()),
            Poll::Ready(_) => {
                if let Err(large) = connection.received(&mut state, &buffer.filled()[before..]) {
                    buffer.set_filled(before);
                    drop(state);
                    connection.close(large.reason());
                    return Poll::Ready(Ok(()));
                }
            }
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let Self { stream, connection } = self.get_mut();
        let mut state = connection.state();
        if state.closing.is_some() {
            return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into()));
        }
        let polled = Pin::new(stream).poll_write(cx, bytes);
        match &polled {
            Poll::Pending => {
                state.waiting[WRITING] = Some(cx.waker().clone());
                connection.stalled(&mut state);
            }
            Poll::Ready(Ok(written)) => connection.sent(&mut state, &bytes[..*written]),
            Poll::Ready(Err(_)) => {}
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl TooLarge {
    fn reason(self) -> &'static str {
        match self {
            Self::Connect => "its CONNECT is over 64 KiB",
            Self::Topic => "it sent a topic of more than 4096 bytes",
            Self::Properties => "it sent properties of more than 8192 bytes",
        }
    }
}
