use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How much later the second of two connections speaks: the broker would take either for the new one,
/// and throw out the other.
const LATER: Duration = Duration::from_millis(20);

/// Is told of what one connection says: whether it comes from the client, and the bytes. It hears what
/// is swallowed, too.
pub type Tap = Box<dyn FnMut(bool, &[u8]) + Send>;

/// Makes a tap for a new connection.
type Taps = Arc<dyn Fn() -> Tap + Send + Sync>;

/// A relay between client and broker that a test makes worse than a network: it cuts, refuses,
/// delays, swallows, throttles, takes apart and doubles.
pub struct Relay {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    broken: Arc<AtomicU64>,
}

#[derive(Clone, Copy, PartialEq)]
struct State {
    /// Counts the cuts.
    cuts: u64,
    open: bool,
    /// Everything is taken and nothing passed on, in silence.
    black_hole: bool,
    /// How long each chunk is held back.
    delay: Duration,
    /// Bytes passed on at once.
    chunk: usize,
    /// Bytes in a second, in each direction.
    rate: Option<u32>,
    /// What the client says is said to the broker on a second connection too.
    doubled: bool,
    /// Bytes, in both directions together, after which a connection breaks.
    limit: Option<usize>,
}

impl Relay {
    /// Relays to a port on this machine.
    pub async fn to(port: u16) -> Self {
        Self::tapped(port, || Box::new(|_, _| {})).await
    }

    /// The same, and all that is said on it is heard.
    pub async fn tapped(port: u16, taps: impl Fn() -> Tap + Send + Sync + 'static) -> Self {
        let taps: Taps = Arc::new(taps);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(watch::Sender::new(State {
            cuts: 0,
            open: true,
            black_hole: false,
            delay: Duration::ZERO,
            chunk: 64 * 1024,
            rate: None,
            doubled: false,
            limit: None,
        }));
        let broken = Arc::new(AtomicU64::new(0));
        let (states, breaks) = (state.clone(), broken.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut state = states.subscribe();
                let now = *state.borrow_and_update();
                if now.open {
                    tokio::spawn(pass(client, port, state, breaks.clone(), taps.clone()));
                } else {
                    breaks.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { address, state, broken }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Breaks all connections. New ones are let through.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Breaks each connection that is made from now on once so many bytes have passed.
    pub fn cut_after(&self, bytes: Option<usize>) {
        self.state.send_modify(|state| state.limit = bytes);
    }

    /// How many connections have not been let through, or have broken because as many bytes had
    /// passed as were allowed.
    pub fn broken(&self) -> u64 {
        self.broken.load(Ordering::SeqCst)
    }

    /// Breaks all connections, and lets no new ones through.
    pub fn close(&self) {
        self.state.send_modify(|state| {
            state.cuts += 1;
            state.open = false;
        });
    }

    /// Lets connections through again.
    pub fn open(&self) {
        self.state.send_modify(|state| state.open = true);
    }

    /// Swallows everything in silence, or stops to. Connections stay open.
    pub fn black_hole(&self, swallow: bool) {
        self.state.send_modify(|state| state.black_hole = swallow);
    }

    /// Holds everything back for a while.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Passes on so many bytes at once at the most.
    pub fn split(&self, chunk: usize) {
        self.state.send_modify(|state| state.chunk = chunk);
    }

    /// Passes on so many bytes in a second.
    pub fn throttle(&self, rate: u32) {
        self.state.send_modify(|state| state.rate = Some(rate));
    }

    /// Doubles connections that are made from now on, or does no more.
    pub fn double(&self, doubled: bool) {
        self.state.send_modify(|state| state.doubled = doubled);
    }
}

async fn pass(
    client: TcpStream,
    port: u16,
    mut state: watch::Receiver<State>,
    broken: Arc<AtomicU64>,
    taps: Taps,
) {
    let connect = || TcpStream::connect(("127.0.0.1", port));
    let Ok(broker) = connect().await else { return };
    // A relay that delays small packets would measure itself.
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let second = if state.borrow().doubled { connect().await.ok() } else { None };
    let (second_in, second_out) = second.map(TcpStream::into_split).unzip();
    let (cuts, limit) = (state.borrow().cuts, state.borrow().limit);
    let allowance = Allowance(AtomicUsize::new(limit.unwrap_or(usize::MAX)));
    let (from_client, to_client) = client.into_split();
    let (from_broker, to_broker) = broker.into_split();
    let tap = Mutex::new(taps());
    let hear = |is_client: bool| {
        let tap = &tap;
        move |bytes: &[u8]| tap.lock().unwrap_or_else(PoisonError::into_inner)(is_client, bytes)
    };
    let (client, broker) = (hear(true), hear(false));
    tokio::select! {
        () = pump(from_client, to_broker, second_out, state.clone(), &allowance, client) => {}
        () = pump(from_broker, to_client, None, state.clone(), &allowance, broker) => {}
        () = drain(second_in) => {}
        _ = state.wait_for(|state| state.cuts != cuts) => {}
    }
    if allowance.is_spent() {
        broken.fetch_add(1, Ordering::SeqCst);
    }
}

/// The bytes that a connection may still pass on.
struct Allowance(AtomicUsize);

impl Allowance {
    /// As much of a piece as may pass.
    fn of<'p>(&self, piece: &'p [u8]) -> &'p [u8] {
        let take = |left: usize| Some(left.saturating_sub(piece.len()));
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        &piece[..piece.len().min(left.unwrap_or_default())]
    }

    fn is_spent(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

/// Takes what a second connection says and forgets it.
async fn drain(from: Option<OwnedReadHalf>) {
    if let Some(mut from) = from {
        let mut chunk = [0; 4096];
        while from.read(&mut chunk).await.is_ok_and(|read| read > 0) {}
    }
    // A connection that is not there, or has ended, ends nothing else.
    std::future::pending().await
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut also_to: Option<OwnedWriteHalf>,
    state: watch::Receiver<State>,
    allowance: &Allowance,
    hear: impl Fn(&[u8]),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer).await
        && read > 0
    {
        hear(&buffer[..read]);
        let now = *state.borrow();
        if now.black_hole {
            continue;
        }
        if now.delay > Duration::ZERO {
            tokio::time::sleep(now.delay).await;
        }
        for piece in buffer[..read].chunks(now.chunk) {
            if let Some(rate) = now.rate {
                let seconds = piece.len() as f64 / f64::from(rate);
                tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
            }
            let piece = allowance.of(piece);
            if to.write_all(piece).await.is_err() || allowance.is_spent() {
                return;
            }
            if let Some(also_to) = &mut also_to {
                tokio::time::sleep(LATER).await;
                // The broker may have thrown the second one out.
                let _ = also_to.write_all(piece).await;
            }
            if now.chunk < buffer.len() {
                tokio::task::yield_now().await;
            }
        }
    }
}
