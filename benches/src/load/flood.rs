use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rumqttc::Packet;

use super::Peer;
use super::template::Template;
use crate::measure::Figures;
use crate::message::Reading;

/// Messages that may be unacknowledged.
const WINDOW: u64 = 1000;

/// Messages written at once.
const BATCH: u64 = 100;

/// Sends messages as fast as they are taken.
pub(super) fn send(
    peer: &mut Peer,
    qos: u8,
    messages: u64,
    filters: usize,
) -> anyhow::Result<Figures> {
    peer.wait_for_subscriptions(filters)?;
    let acknowledged = count_acknowledged(peer.reader()?);
    let mut template = Template::of(&Reading::sample(), qos)?;
    let mut sent = 0;
    while sent < messages {
        for _ in 0..BATCH {
            peer.write_bytes(template.number(sent));
            sent += 1;
        }
        if peer.flush().is_err() {
            break;
        }
        while qos > 0 && sent > acknowledged.load(Ordering::Relaxed) + WINDOW {
            std::thread::yield_now();
        }
    }
    // The subject ends this process once it has all of them.
    std::thread::sleep(Duration::from_secs(60));
    Ok(Figures::new())
}

/// Counts the bytes that come back: an acknowledgement has four, and nothing else comes.
fn count_acknowledged(mut stream: TcpStream) -> Arc<AtomicU64> {
    let acknowledged = Arc::new(AtomicU64::new(0));
    let counter = acknowledged.clone();
    std::thread::spawn(move || {
        let mut chunk = vec![0; 64 * 1024];
        let mut bytes = 0;
        while let Ok(read) = stream.read(&mut chunk)
            && read > 0
        {
            bytes += read as u64;
            counter.store(bytes / 4, Ordering::Relaxed);
        }
    });
    acknowledged
}

/// Goes away and comes back again and again. Measures from the moment at which a connection is
/// accepted to the acknowledgement of the first message on it.
pub(super) fn outages(listener: &TcpListener, times: u64) -> anyhow::Result<Figures> {
    let mut template = Template::of(&Reading::sample(), 1)?;
    let mut latencies = Vec::new();
    for number in 0..times {
        let mut peer = Peer::accept(listener)?;
        let accepted = Instant::now();
        peer.wait_for_subscriptions(1)?;
        peer.write_bytes(template.number(number));
        peer.flush()?;
        let mut is_acknowledged = false;
        while !is_acknowledged {
            let packets = peer.read()?.context("the subject has gone")?;
            is_acknowledged = packets.iter().any(|packet| matches!(packet, Packet::PubAck(_)));
        }
        latencies.push(accepted.elapsed().as_secs_f64() * 1e3);
    }
    let most = latencies.iter().copied().fold(0.0, f64::max);
    latencies.sort_by(f64::total_cmp);
    let median = latencies[latencies.len() / 2];
    Ok(Figures::from([("reconnect_ms".to_owned(), median), ("reconnect_max_ms".to_owned(), most)]))
}
