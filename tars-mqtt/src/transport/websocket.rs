use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures_util::{Sink as _, Stream as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::dial::Stream;
use super::handshake::ConnectError;
use crate::config::BrokerUrl;

/// Speaks MQTT inside WebSocket frames (section 6): binary ones, of the subprotocol `mqtt`.
pub(super) async fn connect(
    url: &BrokerUrl,
    stream: Box<dyn Stream>,
) -> Result<Box<dyn Stream>, ConnectError> {
    const PROTOCOL: &str = "Sec-WebSocket-Protocol";
    let failed = |error: WsError| ConnectError::Failed(format!("WebSocket: {error}"));
    let mut request = url.address().into_client_request().map_err(failed)?;
    request.headers_mut().insert(PROTOCOL, HeaderValue::from_static("mqtt"));
    let (socket, response) =
        tokio_tungstenite::client_async(request, stream).await.map_err(failed)?;
    if response.headers().get(PROTOCOL).is_none_or(|protocol| protocol != "mqtt") {
        return Err(ConnectError::Failed(
            "WebSocket: the server does not speak the subprotocol `mqtt` at this path".to_owned(),
        ));
    }
    Ok(Box::new(Frames { socket, arrived: Bytes::new() }))
}

/// The bytes inside the frames, without their borders (MQTT-6.0.0-2).
struct Frames {
    socket: WebSocketStream<Box<dyn Stream>>,
    arrived: Bytes,
}

impl Stream for Frames {
    fn acknowledge_at_once(&self) {
        self.socket.get_ref().acknowledge_at_once();
    }
}

fn broken(error: WsError) -> io::Error {
    match error {
        WsError::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.arrived.is_empty() {
            match ready!(Pin::new(&mut self.socket).poll_next(context)) {
                Some(Ok(Message::Binary(bytes))) => self.arrived = bytes,
                Some(Ok(Message::Text(_))) => {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "a text frame, which MQTT forbids",
                    )));
                }
                Some(Ok(Message::Close(_))) | None => return Poll::Ready(Ok(())),
                Some(Ok(_)) => {}
                Some(Err(WsError::ConnectionClosed | WsError::AlreadyClosed)) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            }
        }
        let taken = buffer.remaining().min(self.arrived.len());
        buffer.put_slice(&self.arrived[..taken]);
        self.arrived.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Frames {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(context)).map_err(broken)?;
        let frame = Message::Binary(Bytes::copy_from_slice(bytes));
        socket.start_send(frame).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(context)) {
            Ok(()) | Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}
