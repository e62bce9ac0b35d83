use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::error::ConnectError;
use super::pending::Pending;

/// How long a name may take to be looked up.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// How long one address may take to accept a connection. Each of a name's addresses has its own.
const ADDRESS_LIMIT: Duration = Duration::from_secs(5);

/// The next address is tried beside those that have not answered after this time (RFC 8305).
const STAGGER: Duration = Duration::from_millis(250);

/// Of a name with more addresses, the others have their turn with the next attempt.
const MAX_ADDRESSES: usize = 16;

/// Addresses that are known to have failed.
const MAX_REMEMBERED: usize = 256;

/// Failures that are told of one by one.
const TOLD: usize = 4;

/// What is known of a broker's addresses over its connections.
#[derive(Default)]
pub(super) struct Addresses {
    lookup: Pending<io::Result<Vec<SocketAddr>>>,
    memory: Mutex<Memory>,
}

#[derive(Clone, Default)]
struct Memory {
    /// The one that the last connection went to; it is tried first.
    worked: Option<SocketAddr>,
    /// Those that failed, the longest ago first; they are tried last, in this order.
    failed: Vec<SocketAddr>,
}

/// One attempt to reach a broker at any of its addresses.
pub(super) struct Route<'a> {
    addresses: &'a Addresses,
    /// Those that are still to be tried, in this order.
    left: Vec<SocketAddr>,
    /// The one that was connected to last.
    current: Option<SocketAddr>,
    failed: Vec<(SocketAddr, String)>,
    /// A broker accepted the connection, and ended it without an answer.
    unanswered: bool,
}

impl Addresses {
    pub(super) async fn route(&self, host: &str, port: u16) -> io::Result<Route<'_>> {
        let found = self.look_up(host, port).await?;
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Route {
            addresses: self,
            left: memory.in_order(&found),
            current: None,
            failed: Vec::new(),
            unanswered: false,
        })
    }

    #[cfg(test)]
    pub(super) async fn found(&self, addresses: Vec<SocketAddr>) {
        self.lookup.set(tokio::spawn(async { Ok(addresses) })).await;
    }

    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let begin = || {
            let host = host.to_owned();
            tokio::spawn(async move { Ok(lookup_host((host, port)).await?.collect()) })
        };
        let lookup = self.lookup.within(LOOKUP_LIMIT, "the lookup of the host's name", begin);
        let found: Vec<SocketAddr> = lookup.await??;
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
        }
        Ok(found)
    }
}

impl Memory {
    fn in_order(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let fresh = found.iter().filter(|address| !self.failed.contains(address));
        let failed = self.failed.iter().filter(|address| found.contains(address));
        let worked = self.worked.iter().filter(|address| found.contains(address));
        let mut order: Vec<SocketAddr> = Vec::with_capacity(MAX_ADDRESSES);
        for address in worked.chain(fresh).chain(failed) {
            if order.len() < MAX_ADDRESSES && !order.contains(address) {
                order.push(*address);
            }
        }
        order
    }

    fn take_in(&mut self, worked: Option<SocketAddr>, failed: &[(SocketAddr, String)]) {
        self.worked = worked;
        let now = |address: &SocketAddr| failed.iter().any(|(failed, _)| failed == address);
        self.failed.retain(|address| !now(address) && Some(*address) != worked);
        self.failed.extend(failed.iter().map(|(address, _)| *address));
        let surplus = self.failed.len().saturating_sub(MAX_REMEMBERED);
        self.failed.drain(..surplus);
    }
}

impl Route<'_> {
    /// A connection to the first of the addresses left that accepts one.
    pub(super) async fn connect(&mut self) -> Result<TcpStream, ConnectError> {
        let mut attempts = JoinSet::new();
        let mut waiting = self.left.clone().into_iter();
        // The first one is not waited for, and neither is the one after a failure: a timer takes up
        // to a millisecond for no time at all.
        let mut due = true;
        let mut next = Instant::now();
        loop {
            if std::mem::take(&mut due)
                && let Some(address) = waiting.next()
            {
                attempts.spawn(attempt(address));
                next = Instant::now() + STAGGER;
            }
            if attempts.is_empty() {
                return Err(self.give_up());
            }
            tokio::select! {
                () = sleep_until(next), if waiting.len() > 0 => due = true,
                Some(ended) = attempts.join_next() => {
                    due = true;
                    // None of them panics.
                    let Ok((address, outcome)) = ended else { continue };
                    self.left.retain(|left| *left != address);
                    match outcome {
                        Ok(stream) => {
                            self.current = Some(address);
                            return Ok(stream);
                        }
                        Err(error) => self.failed.push((address, error.to_string())),
                    }
                }
            }
        }
    }

    /// Whether there is another address to be tried if the one that is connected to says nothing.
    pub(super) fn has_others(&self) -> bool {
        !self.left.is_empty()
    }

    /// The broker at the address that was connected to has accepted this client.
    pub(super) fn worked(self) {
        self.remember(self.current);
    }

    /// The address that was connected to turned out to be of no use.
    pub(super) fn failed(&mut self, error: &ConnectError) {
        self.unanswered |= matches!(error, ConnectError::Unanswered(_));
        if let Some(address) = self.current.take() {
            self.failed.push((address, error.to_string()));
        }
    }

    fn give_up(&self) -> ConnectError {
        self.remember(None);
        let mut text = String::new();
        match &self.failed[..] {
            [(_, reason)] => text.push_str(reason),
            all => {
                for (address, reason) in all.iter().take(TOLD) {
                    let separator = if text.is_empty() { "" } else { "; " };
                    // Writing to a String cannot fail.
                    let _ = write!(text, "{separator}{address}: {reason}");
                }
                if all.len() > TOLD {
                    let _ = write!(text, "; and {} more addresses", all.len() - TOLD);
                }
            }
        }
        if self.unanswered { ConnectError::Unanswered(text) } else { ConnectError::Failed(text) }
    }

    fn remember(&self, worked: Option<SocketAddr>) {
        let mut memory = self.addresses.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.take_in(worked, &self.failed);
    }
}

async fn attempt(address: SocketAddr) -> (SocketAddr, io::Result<TcpStream>) {
    let connected = match timeout(ADDRESS_LIMIT, connect(address)).await {
        Ok(connected) => connected.and_then(prepared),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no connection within {ADDRESS_LIMIT:?}"),
        )),
    };
    (address, connected)
}

/// What the system takes for sending beyond what the peer has room for. More would hide whether a
/// large message still makes its way, or the link is dead.
const SEND_BUFFER: u32 = 128 * 1024;

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Where the system does not let it be set, a dead link is noticed later.
    let _ = socket.set_send_buffer_size(SEND_BUFFER);
    socket.connect(address).await
}

fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    // The system may give a connection to a port of its own choice the very port it goes to, where
    // nobody listens: it is then connected to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    // Nagle's algorithm against delayed acknowledgements costs 40 ms a round trip.
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    fn route<'a>(addresses: &'a Addresses, found: &[SocketAddr]) -> Route<'a> {
        let memory = addresses.memory.lock().unwrap().clone();
        let left = memory.in_order(found);
        Route { addresses, left, current: None, failed: Vec::new(), unanswered: false }
    }

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address that swallows what is sent to it: a listener whose queue is full.
    async fn swallowing(ip: &str) -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_secs(1), TcpStream::connect(address)).await
        {
            filling.push(stream);
        }
        (listener, filling, address)
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_holds_the_next_one_up_for_a_moment_only() {
        let (_full, _filling, dead) = swallowing("127.0.0.1").await;
        let (_listening, alive) = listener().await;
        let addresses = Addresses::default();
        let mut route = route(&addresses, &[dead, alive]);
        let begin = Instant::now();
        let stream = route.connect().await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), alive);
        assert!(begin.elapsed() < Duration::from_secs(3), "{:?}", begin.elapsed());
        // If what listens there turns out to be no broker, the other has its turn after all.
        assert!(route.has_others());
        route.failed(&ConnectError::Failed("is no broker".to_owned()));
        let ConnectError::Failed(reason) = route.connect().await.unwrap_err() else { panic!() };
        assert!(reason.contains(&format!("{alive}: is no broker")), "{reason}");
        assert!(reason.contains(&format!("{dead}: no connection within 5s")), "{reason}");
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_by_the_next_at_once() {
        let (gone, refusing) = listener().await;
        drop(gone);
        let (_listening, alive) = listener().await;
        let addresses = Addresses::default();
        let mut route = route(&addresses, &[refusing, alive]);
        assert_eq!(route.connect().await.unwrap().peer_addr().unwrap(), alive);
        assert!(!route.has_others());
    }

    #[tokio::test]
    async fn the_address_that_worked_last_comes_first_and_those_that_failed_last() {
        let (_one, first) = listener().await;
        let (_two, second) = listener().await;
        let (_three, third) = listener().await;
        let addresses = Addresses::default();
        let mut attempt = route(&addresses, &[first, second, third]);
        attempt.connect().await.unwrap();
        attempt.failed(&ConnectError::Unanswered("closed".to_owned()));
        attempt.connect().await.unwrap();
        attempt.worked();
        let next = route(&addresses, &[first, second, third]);
        assert_eq!(next.left, [second, third, first]);
        // What is no longer among a name's addresses is forgotten.
        assert_eq!(route(&addresses, &[third]).left, [third]);
    }

    #[test]
    fn a_name_of_many_addresses_has_all_of_them_tried_in_turn() {
        let all: Vec<SocketAddr> =
            (0..40).map(|n| SocketAddr::new([127, 0, 0, 1].into(), 1 + n)).collect();
        let mut memory = Memory::default();
        let mut tried = Vec::new();
        for _ in 0..3 {
            let order = memory.in_order(&all);
            assert_eq!(order.len(), MAX_ADDRESSES);
            let failed: Vec<_> = order.iter().map(|address| (*address, String::new())).collect();
            memory.take_in(None, &failed);
            tried.extend(order);
        }
        assert_eq!(tried[..all.len()], all);
    }

    #[tokio::test]
    async fn an_address_is_looked_up_without_the_system() {
        let addresses = Addresses::default();
        let found = addresses.look_up("::1", 1883).await.unwrap();
        assert_eq!(found, ["[::1]:1883".parse().unwrap()]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_hangs_is_given_up() {
        let addresses = Addresses::default();
        addresses.lookup.set(tokio::spawn(std::future::pending())).await;
        let error = addresses.look_up("broker.example", 1883).await.unwrap_err();
        assert!(error.to_string().contains("did not end within 5s"), "{error}");
    }
}
