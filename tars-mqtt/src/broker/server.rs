//! Takes connections and serves each with `mqtt5`'s handler.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use mqtt5::broker::client_handler::ClientHandler;
use mqtt5::broker::config::{AuthConfig, RateLimitConfig};
use mqtt5::broker::router::MessageRouter;
use mqtt5::broker::storage::QueueLimits;
use mqtt5::broker::sys_topics::{BrokerStats, SysTopicsProvider};
use mqtt5::broker::transport::BrokerTransport;
use mqtt5::broker::{
    AuthProvider, BrokerConfig, DynamicStorage, FileBackend, MemoryBackend, ResourceLimits,
    ResourceMonitor, StorageBackend, StorageBackendType, StorageConfig,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, oneshot};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::EmbeddedBrokerBuilder;
use super::claim::Claim;
use super::connection::Watched;
use super::guard::Guard;
use super::limits::Limits;
use crate::error::{Error, Result};

/// How long connections may take to hand their unsent messages back when the broker stops. Only
/// a client that stops halfway through connecting, or no longer reads, uses it up.
const GRACE: Duration = Duration::from_secs(3);

/// How often sessions that have ended are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// How long to wait where no connection can be taken, as when no file can be opened any more.
const PAUSE: Duration = Duration::from_millis(100);

/// What every connection is served with.
struct Server {
    config: Arc<BrokerConfig>,
    guard: Arc<Guard>,
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    connect_timeout: Duration,
    stop: broadcast::Sender<()>,
}

/// Runs a broker until it is told to stop.
pub(super) async fn serve(
    settings: EmbeddedBrokerBuilder,
    claim: Option<Claim>,
    ready: oneshot::Sender<SocketAddr>,
    mut when_stopping: oneshot::Receiver<()>,
) -> Result<()> {
    let asked = settings.address.clone();
    let wanted = resolve(&asked)?;
    // Before it listens, so that nobody joins another broker in between.
    let mut claim = match claim {
        Some(claim) => Some(claim),
        None => Claim::of(wanted).await,
    };
    let listener = TcpListener::bind(wanted).await;
    let listener = listener.map_err(|e| cannot_listen(&asked, &e))?;
    let address = listener.local_addr().map_err(|e| cannot_listen(&asked, &e))?;
    let server = Arc::new(Server::new(settings).await?);
    if let Some(claim) = &mut claim
        && let Err(error) = claim.listening()
    {
        tracing::warn!(%error, "services without MQTT_URL will not find this broker");
    }
    // If nobody waits any more, the other channel is closed as well.
    let _ = ready.send(address);

    let statistics = SysTopicsProvider::new(Arc::clone(&server.router), Arc::clone(&server.stats));
    let statistics = statistics.start();
    let mut sweep = tokio::time::interval(SWEEP);
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    loop {
        tokio::select! {
            _ = &mut when_stopping => break,
            _ = sweep.tick() => server.sweep().await,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    tokio::spawn(Arc::clone(&server).serve(stream, peer, open.clone()));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
    drop((listener, open));
    statistics.abort();
    // Fails if there is no connection.
    let _ = server.stop.send(());
    // Whether or not all are done by then.
    let _ = tokio::time::timeout(GRACE, all_closed.recv()).await;
    server.storage.shutdown().await.map_err(|e| error(&e))
}

impl Server {
    async fn new(settings: EmbeddedBrokerBuilder) -> Result<Self> {
        let limits = settings.limits;
        let storage = StorageConfig::new().with_backend(match &settings.storage_dir {
            Some(_) => StorageBackendType::File,
            None => StorageBackendType::Memory,
        });
        let queues =
            QueueLimits { max_messages: limits.queued_messages, max_bytes: limits.queued_bytes };
        let config = config(&limits, settings.max_packet_size).with_storage(storage);
        config.validate().map_err(|e| error(&e))?;
        let storage = Arc::new(match settings.storage_dir {
            Some(folder) => {
                let backend = FileBackend::with_queue_limits(folder, queues).await;
                DynamicStorage::File(backend.map_err(|e| error(&e))?)
            }
            None => DynamicStorage::Memory(MemoryBackend::with_queue_limits(queues)),
        });
        let guard = Arc::new(Guard::new(limits, settings.users, Arc::clone(&storage)));
        let config = config.with_event_handler(Arc::clone(&guard) as _);
        let router = MessageRouter::with_storage(Arc::clone(&storage))
            .with_event_handler(Arc::clone(&guard) as _);
        let router = Arc::new(router);
        guard.attach(&router);
        let server = Self {
            config: Arc::new(config),
            guard,
            router,
            storage,
            stats: Arc::new(BrokerStats::new()),
            monitor: Arc::new(ResourceMonitor::new(no_other_limits())),
            connect_timeout: limits.connect_timeout,
            stop: broadcast::channel(1).0,
        };
        server.recover().await.map_err(|e| error(&e))?;
        Ok(server)
    }

    async fn recover(&self) -> mqtt5::Result<()> {
        self.router.recover_sessions(u32::MAX).await?;
        self.storage.cleanup_expired().await?;
        self.router.initialize().await?;
        self.guard.recover().await
    }

    async fn sweep(&self) {
        // What could not be removed now is tried again.
        let _ = self.storage.cleanup_expired().await;
        self.router.sweep_sessions().await;
        self.monitor.cleanup_expired_windows().await;
        self.guard.sweep().await;
    }

    /// Serves one connection to its end.
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, open: mpsc::Sender<()>) {
        // Only the delay of small packets depends on it.
        let _ = stream.set_nodelay(true);
        let connection = self.guard.open(peer);
        let watched = Watched { stream, connection: Arc::clone(&connection) };
        let handler = ClientHandler::new(
            BrokerTransport::WebSocket(Box::new(watched)),
            peer,
            Arc::clone(&self.config),
            Arc::clone(&self.router),
            Arc::clone(&self.guard) as Arc<dyn AuthProvider>,
            Some(Arc::clone(&self.storage)),
            Arc::clone(&self.stats),
            Arc::clone(&self.monitor),
            self.stop.subscribe(),
        );
        // Its own lines have no limit, and quote what clients say as they said it.
        let mut running = Box::pin(handler.run().with_subscriber(NoSubscriber::default()));
        let late = tokio::time::sleep(self.connect_timeout);
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = late => {
                if connection.client().is_none() {
                    connection.close("it sent no CONNECT in time");
                }
                running.await
            }
        };
        self.guard.ended(&connection, outcome);
        drop(open);
    }
}

fn config(limits: &Limits, max_packet_size: usize) -> BrokerConfig {
    BrokerConfig::new()
        .with_max_packet_size(whole_packet(max_packet_size))
        .with_max_subscriptions_per_client(limits.filters)
        .with_auth(AuthConfig {
            // Five wrong passwords would lock everybody at that address out for five minutes,
            // and here all clients come from one address.
            rate_limit: RateLimitConfig { enabled: false, ..RateLimitConfig::default() },
            ..AuthConfig::new()
        })
}

/// The guard counts clients; `mqtt5` need not.
fn no_other_limits() -> ResourceLimits {
    ResourceLimits {
        max_connections: usize::MAX,
        max_connections_per_ip: usize::MAX,
        max_message_rate_per_client: 0,
        max_bandwidth_per_client: 0,
        max_connection_rate: u32::MAX,
        ..ResourceLimits::default()
    }
}

/// The size of a packet with its fixed header: one byte for the type, and the length in one byte
/// for each 7 bits of it.
fn whole_packet(remaining: usize) -> usize {
    let length: usize = match remaining {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    };
    remaining.saturating_add(1 + length)
}

fn resolve(address: &str) -> Result<SocketAddr> {
    let found: Vec<SocketAddr> =
        address.to_socket_addrs().map_err(|e| cannot_listen(address, &e))?.collect();
    found
        .iter()
        .find(|address| address.is_ipv4())
        .or(found.first())
        .copied()
        .ok_or_else(|| cannot_listen(address, &"the host has no address"))
}

fn cannot_listen(address: &str, reason: &dyn std::fmt::Display) -> Error {
    Error::Broker(format!("cannot listen on {address}: {reason}"))
}

fn error(error: &mqtt5::MqttError) -> Error {
    // Some of its messages span several lines.
    let message = error.to_string();
    Error::Broker(message.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::whole_packet;

    #[test]
    fn the_fixed_header_grows_with_the_packet() {
        for (remaining, header) in [(0, 2), (127, 2), (128, 3), (16_383, 3), (16_384, 4)] {
            assert_eq!(whole_packet(remaining), remaining + header);
        }
        assert_eq!(whole_packet(2_097_151), 2_097_155);
        assert_eq!(whole_packet(2_097_152), 2_097_157);
        assert_eq!(whole_packet(usize::MAX), usize::MAX);
    }
}
