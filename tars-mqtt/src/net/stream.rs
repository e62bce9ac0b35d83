use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Lets the peer know at once that its bytes have come.
    ///
    /// Brokers leave Nagle's algorithm on (mosquitto does by default): their next small packet waits
    /// for this, and the system would take 40 ms for it.
    fn acknowledge_at_once(&self) {}
}

impl Stream for TcpStream {
    #[cfg(target_os = "linux")]
    fn acknowledge_at_once(&self) {
        // Only speed is lost where the system does not know the option.
        let _ = self.set_quickack(true);
    }
}
