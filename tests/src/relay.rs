use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A relay between client and broker that can be cut and can refuse to connect.
pub struct Relay {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, PartialEq)]
struct State {
    /// Counts the cuts.
    cuts: u64,
    open: bool,
}

impl Relay {
    /// Relays to a port on this machine.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let state = Arc::new(watch::Sender::new(State { cuts: 0, open: true }));
        let states = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut state = states.subscribe();
                let now = *state.borrow_and_update();
                if now.open {
                    tokio::spawn(pass(client, port, state));
                }
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    /// Breaks all connections. New ones are let through.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
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
}

async fn pass(mut client: TcpStream, port: u16, mut state: watch::Receiver<State>) {
    let Ok(mut broker) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // A relay that delays small packets would measure itself.
    let _ = (client.set_nodelay(true), broker.set_nodelay(true));
    let cuts = state.borrow().cuts;
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut broker) => {}
        _ = state.wait_for(|state| state.cuts != cuts) => {}
    }
}
