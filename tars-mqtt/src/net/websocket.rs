use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::error::ConnectError;
use super::frames::Frames;
use super::stream::Stream;
use crate::config::BrokerUrl;
use crate::log::quoted;

/// Speaks MQTT inside WebSocket frames (section 6): binary ones, of the subprotocol `mqtt`.
pub(super) async fn connect(
    url: &BrokerUrl,
    stream: Box<dyn Stream>,
) -> Result<Box<dyn Stream>, ConnectError> {
    const PROTOCOL: &str = "Sec-WebSocket-Protocol";
    let address = match url.query() {
        Some(query) => format!("{}?{query}", url.address()),
        None => url.address(),
    };
    let request = address.into_client_request();
    let mut request = request.map_err(|error| failed(url, &error))?;
    request.headers_mut().insert(PROTOCOL, HeaderValue::from_static("mqtt"));
    let (socket, response) = tokio_tungstenite::client_async(request, Greeting::new(stream))
        .await
        .map_err(|error| failed(url, &error))?;
    if response.headers().get(PROTOCOL).is_none_or(|protocol| protocol != "mqtt") {
        return Err(ConnectError::Failed(
            "WebSocket: the server does not speak the subprotocol `mqtt` at this path".to_owned(),
        ));
    }
    let Greeting { stream, rest, .. } = socket.into_inner();
    Ok(Box::new(Frames::new(stream, rest)))
}

fn failed(url: &BrokerUrl, error: &WsError) -> ConnectError {
    let hint = match error {
        WsError::Http(response) => match response.status().as_u16() {
            401 | 403 => "; the server asks for a login or does not grant this one",
            404 => "; the path in MQTT_URL may be another one, /mqtt is usual",
            300..=399 => "; the server is another one, which is not followed: write it in MQTT_URL",
            _ => "; the port in MQTT_URL may be one for something else",
        },
        WsError::Io(_) | WsError::Protocol(_) | WsError::HttpFormat(_)
            if !url.scheme().is_tls() =>
        {
            "; where this is a port for TLS, write wss:// in MQTT_URL, and where it is one for MQTT \
             without WebSocket, mqtt://"
        }
        _ => "",
    };
    ConnectError::Failed(format!("WebSocket: {}{hint}", quoted(&error.to_string())))
}

/// A stream during the handshake, which hands on the server's answer and nothing that follows: what
/// has arrived behind it belongs to the frames.
struct Greeting {
    stream: Box<dyn Stream>,
    /// What has arrived and was not handed on.
    rest: BytesMut,
    /// The last byte that was handed on, carriage returns aside, was the end of a line.
    at_line_start: bool,
}

impl Greeting {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, rest: BytesMut::new(), at_line_start: false }
    }

    /// How many of the bytes in hand go up to the next empty line, which may end the answer.
    fn up_to_an_empty_line(&mut self, limit: usize) -> usize {
        for (index, byte) in self.rest.iter().take(limit).enumerate() {
            match byte {
                b'\n' if std::mem::replace(&mut self.at_line_start, true) => {
                    self.at_line_start = false;
                    return index + 1;
                }
                b'\n' | b'\r' => {}
                _ => self.at_line_start = false,
            }
        }
        self.rest.len().min(limit)
    }
}

impl AsyncRead for Greeting {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            let mut chunk = [0; 1024];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(context, &mut read))?;
            this.rest.extend_from_slice(read.filled());
        }
        let handed_on = this.up_to_an_empty_line(buffer.remaining());
        buffer.put_slice(&this.rest[..handed_on]);
        this.rest.advance(handed_on);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Greeting {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
