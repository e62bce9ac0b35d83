use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mqtt5::broker::config::{AuthConfig, RateLimitConfig};
use mqtt5::broker::{BrokerConfig, MqttBroker, StorageBackendType, StorageConfig};
use tokio::sync::oneshot;

use super::claim::Claim;
use super::{EmbeddedBroker, EmbeddedBrokerBuilder};
use crate::{Error, Result};

/// How long connections may take to hand their unsent messages back when the broker stops. Only
/// a client that stops halfway through connecting, or no longer reads, uses it up.
const GRACE: Duration = Duration::from_secs(3);

pub(super) async fn start(
    settings: EmbeddedBrokerBuilder,
    claim: Option<Claim>,
) -> Result<EmbeddedBroker> {
    let (ready, when_ready) = oneshot::channel();
    let (stop, when_stopping) = oneshot::channel();
    let (end, when_ended) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("mqtt-broker".to_owned())
        .spawn(move || {
            let outcome = run(settings, claim, ready, when_stopping);
            // Nobody waits for it if the handle was dropped.
            let _ = end.send(outcome);
        })
        .map_err(|e| Error::Broker(format!("cannot start its thread: {e}")))?;
    match when_ready.await {
        Ok(address) => Ok(EmbeddedBroker { address, stop, ended: when_ended, thread }),
        Err(_) => Err(match wait(when_ended, thread).await {
            Err(error) => error,
            Ok(()) => Error::Broker("stopped while it started".to_owned()),
        }),
    }
}

/// Waits for the broker's thread to end.
pub(super) async fn wait(
    ended: oneshot::Receiver<Result<()>>,
    thread: thread::JoinHandle<()>,
) -> Result<()> {
    let outcome = ended.await;
    // Returns at once: telling the outcome is the last thing the thread does.
    let joined = thread.join();
    match (outcome, joined) {
        (Ok(outcome), Ok(())) => outcome,
        _ => Err(Error::Broker("its thread panicked".to_owned())),
    }
}

fn run(
    settings: EmbeddedBrokerBuilder,
    claim: Option<Claim>,
    ready: oneshot::Sender<SocketAddr>,
    when_stopping: oneshot::Receiver<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Broker(format!("cannot start its runtime: {e}")))?;
    // Dropping the runtime ends whatever tasks and connections the broker left.
    runtime.block_on(serve(settings, claim, ready, when_stopping))
}

async fn serve(
    settings: EmbeddedBrokerBuilder,
    claim: Option<Claim>,
    ready: oneshot::Sender<SocketAddr>,
    when_stopping: oneshot::Receiver<()>,
) -> Result<()> {
    // Before it listens, so that nobody joins another broker in between.
    let mut claim = match claim {
        Some(claim) => Some(claim),
        None => Claim::of(resolve(&settings.address)?).await,
    };
    let mut broker = open(settings).await?;
    let address = broker
        .local_addr()
        .ok_or_else(|| Error::Broker("does not know its own address".to_owned()))?;
    let storage = broker.storage();
    let shutdown = broker.shutdown_handle();
    let mut started = broker.ready_receiver();
    let mut running = Box::pin(broker.run());

    tokio::select! {
        outcome = &mut running => return outcome.map_err(|e| error(&e)),
        // Fails only together with the broker, and then the other branch tells why.
        Ok(_) = started.wait_for(|ready| *ready) => {}
    }
    if let Some(claim) = &mut claim
        && let Err(error) = claim.listening()
    {
        tracing::warn!(%error, "services without MQTT_URL will not find this broker");
    }
    // If nobody waits any more, the other channel is closed as well.
    let _ = ready.send(address);

    tokio::select! {
        outcome = &mut running => return outcome.map_err(|e| error(&e)),
        _ = when_stopping => shutdown.shutdown(),
    }
    let outcome = tokio::time::timeout(GRACE, &mut running).await;
    drop(running);
    if let Ok(outcome) = outcome {
        outcome.map_err(|e| error(&e))?;
    }
    // The broker writes its storage out as soon as it begins to stop, and does not wait with that
    // for what its connections hand back.
    match storage {
        Some(storage) => storage.shutdown().await.map_err(|e| error(&e)),
        None => Ok(()),
    }
}

async fn open(settings: EmbeddedBrokerBuilder) -> Result<MqttBroker> {
    let address = resolve(&settings.address)?;
    let storage = match settings.storage_dir {
        Some(folder) => StorageConfig::new().with_base_dir(folder),
        None => StorageConfig::new().with_backend(StorageBackendType::Memory),
    };
    let config = BrokerConfig::new()
        .with_bind_address(address)
        .with_max_packet_size(whole_packet(settings.max_packet_size))
        .with_storage(storage)
        .with_auth(AuthConfig {
            // Five wrong passwords would lock everybody at that address out for five minutes,
            // and here all clients come from one address.
            rate_limit: RateLimitConfig { enabled: false, ..RateLimitConfig::default() },
            ..AuthConfig::new()
        });
    let broker = match MqttBroker::with_config(config).await {
        Ok(broker) => broker,
        Err(e) => {
            return Err(match TcpListener::bind(address) {
                Err(reason) => cannot_listen(&settings.address, &reason),
                Ok(_) => error(&e),
            });
        }
    };
    Ok(match settings.users {
        Some(users) => broker.with_auth_provider(Arc::new(users)),
        None => broker,
    })
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
