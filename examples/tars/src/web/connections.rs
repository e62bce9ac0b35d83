//! The connections of the page: how many there may be, and for how long one may keep the page waiting.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

/// How many connections there may be. With one more, the oldest goes that has not been answered yet;
/// if all have been, the oldest of all.
pub(super) const MOST: usize = 64;

/// Within this time each connection must take something: its answer, or the next news. Whoever does not
/// finish a request, or does not read, is disconnected.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait where no connection can be taken, as when no file can be opened any more.
const PAUSE: Duration = Duration::from_millis(100);

/// Takes connections within these bounds.
pub(super) struct Limited {
    listener: TcpListener,
    patience: Duration,
    open: Open,
}

/// The open connections, oldest first.
type Open = Arc<Mutex<VecDeque<Entry>>>;

struct Entry {
    number: u64,
    answered: Arc<AtomicBool>,
    /// Dropping it closes the connection.
    _close: oneshot::Sender<()>,
}

/// One connection.
pub(super) struct Connection {
    stream: TcpStream,
    number: u64,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    answered: Arc<AtomicBool>,
    closed: oneshot::Receiver<()>,
    open: Open,
}

impl Limited {
    pub(super) fn new(listener: TcpListener, patience: Duration) -> Self {
        Self { listener, patience, open: Open::default() }
    }
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, peer) = loop {
            match self.listener.accept().await {
                Ok(accepted) => break accepted,
                Err(_) => sleep(PAUSE).await,
            }
        };
        let (close, closed) = oneshot::channel();
        let answered = Arc::new(AtomicBool::new(false));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST {
            let waiting = open.iter().position(|one| !one.answered.load(Ordering::Relaxed));
            open.remove(waiting.unwrap_or(0));
        }
        let number = open.back().map_or(0, |newest| newest.number + 1);
        open.push_back(Entry { number, answered: answered.clone(), _close: close });
        drop(open);
        let connection = Connection {
            stream,
            number,
            patience: self.patience,
            deadline: Box::pin(sleep(self.patience)),
            answered,
            closed,
            open: self.open.clone(),
        };
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// Whether it has to go.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if Pin::new(&mut self.closed).poll(cx).is_ready() {
            return Poll::Ready(io::ErrorKind::ConnectionAborted.into());
        }
        self.deadline.as_mut().poll(cx).map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(end) = self.poll_end(cx) {
            return Poll::Ready(Err(end));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Ok(count)) if count > 0) {
            self.answered.store(true, Ordering::Relaxed);
            let deadline = Instant::now() + self.patience;
            self.deadline.as_mut().reset(deadline);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| one.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Sse;
    use axum::response::sse::Event;
    use axum::routing::get;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    async fn serve(patience: Duration) -> (SocketAddr, Open) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endless = || async {
            Sse::new(stream::repeat_with(|| {
                Ok::<_, std::convert::Infallible>(Event::default().data("x".repeat(10_000)))
            }))
        };
        let router =
            Router::new().route("/", get(|| async { "hello" })).route("/news", get(endless));
        let limited = Limited::new(listener, patience);
        let open = limited.open.clone();
        tokio::spawn(axum::serve(limited, router).into_future());
        (address, open)
    }

    async fn answer(connection: &mut TcpStream) -> String {
        let mut buffer = [0; 1024];
        let length = connection.read(&mut buffer).await.unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Whether the other side has closed it, whatever it has sent before.
    async fn ends(mut connection: TcpStream) -> bool {
        let end = async { while connection.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {} };
        tokio::time::timeout(Duration::from_secs(60), end).await.is_ok()
    }

    #[tokio::test]
    async fn requests_that_are_never_finished_lock_nobody_out() {
        let (address, _) = serve(Duration::from_secs(600)).await;
        let mut partial = Vec::new();
        for _ in 0..3 * MOST {
            let mut connection = TcpStream::connect(address).await.unwrap();
            connection.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
            partial.push(connection);
        }
        let mut whole = TcpStream::connect(address).await.unwrap();
        whole.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut whole).await.starts_with("HTTP/1.1 200 OK"));
        for connection in partial.drain(..2 * MOST) {
            assert!(ends(connection).await);
        }
    }

    #[tokio::test]
    async fn a_request_that_is_not_finished_in_time_and_a_viewer_that_does_not_read_are_dropped() {
        let (address, open) = serve(Duration::from_millis(500)).await;
        let mut partial = TcpStream::connect(address).await.unwrap();
        partial.write_all(&REQUEST[..20]).await.unwrap();
        assert!(ends(partial).await);
        let mut viewer = TcpStream::connect(address).await.unwrap();
        let request = String::from_utf8_lossy(REQUEST).replace("/ ", "/news ");
        viewer.write_all(request.as_bytes()).await.unwrap();
        assert!(answer(&mut viewer).await.starts_with("HTTP/1.1 200 OK"));
        // What the system keeps for it fills up, and then nothing more is taken.
        let is_dropped = || open.lock().unwrap().is_empty();
        ::tests::eventually("the viewer is dropped", is_dropped).await;
        drop(viewer);
    }
}
