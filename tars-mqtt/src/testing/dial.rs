use std::io;

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use crate::net::dial::{Attempt, Dialer};
use crate::net::{ConnectError, Stream};
use crate::task::BorrowingFuture;

/// Bytes that wait between the service and the test.
const BUFFER: usize = 256 * 1024;

impl Stream for DuplexStream {}

/// Connects within the process: the other end of each connection is sent here.
pub(super) struct InProcess(pub(super) mpsc::Sender<DuplexStream>);

impl Dialer for InProcess {
    /// The other end serves one after the other.
    fn takes_several(&self) -> bool {
        false
    }

    fn attempt(&self) -> BorrowingFuture<'_, Result<Box<dyn Attempt + '_>, ConnectError>> {
        let attempt: Box<dyn Attempt> = Box::new(OneWay(Some(&self.0)));
        Box::pin(std::future::ready(Ok(attempt)))
    }
}

/// Whoever is at the other end, until that has been tried.
struct OneWay<'a>(Option<&'a mpsc::Sender<DuplexStream>>);

impl Attempt for OneWay<'_> {
    fn next(&mut self) -> BorrowingFuture<'_, Result<Box<dyn Stream>, ConnectError>> {
        let peer = self.0.take();
        Box::pin(async move {
            let gone = || io::Error::from(io::ErrorKind::ConnectionRefused);
            let (ours, theirs) = tokio::io::duplex(BUFFER);
            peer.ok_or_else(gone)?.send(theirs).await.map_err(|_| gone())?;
            let stream: Box<dyn Stream> = Box::new(ours);
            Ok(stream)
        })
    }
}
