use std::time::{Duration, Instant};

use anyhow::Context as _;
use rumqttc::{Packet, PubAck};

use super::Peer;
use super::template::Template;
use crate::measure::Figures;
use crate::message::Request;

/// Sends requests, so many at the same time, and counts the answers.
pub(super) fn send(peer: &mut Peer, outstanding: u64, messages: u64) -> anyhow::Result<Figures> {
    peer.wait_for_subscriptions(1)?;
    let mut template = Template::of(&Request { number: 1 }, 1)?;
    let (mut sent, mut answered) = (0, 0);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    while answered < messages {
        while sent < messages && sent - answered < outstanding {
            peer.write_bytes(template.number(sent));
            sent += 1;
        }
        let asked = Instant::now();
        peer.flush()?;
        let before = answered;
        while answered == before {
            for packet in peer.read()?.context("the subject has gone")? {
                if let Packet::Publish(response) = packet {
                    answered += 1;
                    if response.pkid > 0 {
                        peer.write(&Packet::PubAck(PubAck::new(response.pkid)))?;
                    }
                }
            }
        }
        if outstanding == 1 {
            latencies.push(asked.elapsed());
        }
    }
    let rate = messages as f64 / begin.elapsed().as_secs_f64();
    peer.flush()?;
    let mut figures = Figures::from([("rate".to_owned(), rate)]);
    latencies.sort();
    if !latencies.is_empty() {
        let micros = |latency: Duration| latency.as_secs_f64() * 1e6;
        figures.insert("p50_us".to_owned(), micros(latencies[latencies.len() / 2]));
        figures.insert("p99_us".to_owned(), micros(latencies[latencies.len() * 99 / 100]));
    }
    Ok(figures)
}
