//! What the broker acknowledges, as it is seen on the wire: a receipt at QoS 2 comes a whole round later
//! than the broker's word for it, and of the service's receipts nothing is known here at all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tests::{Relay, Tap};

use crate::ledger::{Acknowledged, Ledger};

/// Packet types (section 2.2.1).
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBCOMP: u8 = 7;

/// What was last sent under a packet id. A session's, for the last of the broker's
/// two answers at QoS 2 may come on another connection.
type Ids = Arc<Mutex<HashMap<u16, Sent>>>;

/// Work or an answer.
#[derive(Clone, Copy)]
struct Sent {
    level: usize,
    number: u64,
    is_answer: bool,
}

/// A relay that tells the ledger what the broker acknowledges to the client behind it.
pub async fn relay(port: u16, ledger: Arc<Ledger>) -> Relay {
    let ids = Ids::default();
    Relay::tapped(port, move || tap(ids.clone(), ledger.clone())).await
}

fn tap(ids: Ids, ledger: Arc<Ledger>) -> Tap {
    let connected = Instant::now();
    let (mut client, mut broker) = (Packets::default(), Packets::default());
    Box::new(move |is_client, bytes| {
        let mut ids = ids.lock().unwrap_or_else(PoisonError::into_inner);
        if is_client {
            client.hear(bytes, |first, body| ids.extend(numbered(first, body)));
        } else {
            broker.hear(bytes, |first, body| {
                if let PUBACK | PUBREC | PUBCOMP = first >> 4
                    && let Some(id) = body.first_chunk().copied().map(u16::from_be_bytes)
                    && let Some(&Sent { level, number, is_answer }) = ids.get(&id)
                {
                    let (at, is_end) = (Instant::now(), first >> 4 == PUBCOMP);
                    let acknowledged = Acknowledged { at, connected, is_answer, is_end };
                    ledger.acknowledged(level, number, acknowledged);
                }
            });
        }
    })
}

/// The packet id of work or of an answer.
fn numbered(first: u8, body: &[u8]) -> Option<(u16, Sent)> {
    if first >> 4 != PUBLISH || (first >> 1) & 3 == 0 {
        return None;
    }
    let (length, rest) = body.split_first_chunk()?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (id, payload) = rest.split_first_chunk()?;
    let (level, is_answer) = match topic {
        b"soak/work/1" => (0, false),
        b"soak/done/1" => (0, true),
        b"soak/work/2" => (1, false),
        b"soak/done/2" => (1, true),
        _ => return None,
    };
    let envelope: Value = serde_json::from_slice(payload).ok()?;
    let number = envelope["data"]["number"].as_u64()?;
    Some((u16::from_be_bytes(*id), Sent { level, number, is_answer }))
}

/// Bytes that are not a whole packet yet.
#[derive(Default)]
struct Packets(Vec<u8>);

impl Packets {
    fn hear(&mut self, bytes: &[u8], mut packet: impl FnMut(u8, &[u8])) {
        self.0.extend_from_slice(bytes);
        let mut rest = &self.0[..];
        while let Some((first, body, after)) = split(rest) {
            packet(first, body);
            rest = after;
        }
        let done = self.0.len() - rest.len();
        self.0.drain(..done);
    }
}

/// The first byte and the body of the first packet, and what comes after it (section 2.2.3).
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&first, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for digit in 0..4 {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 127) << (7 * digit);
        if byte & 128 == 0 {
            break;
        }
    }
    let (body, after) = rest.split_at_checked(length)?;
    Some((first, body, after))
}

#[cfg(test)]
mod test {
    use super::*;

    #[test]
    fn packets_are_found_however_they_arrive_and_work_and_answers_among_them() {
        let envelope = br#"{"id":"1","data":{"number":7}}"#;
        let mut publish = vec![0x34, 0, 0, 11];
        publish.extend_from_slice(b"soak/done/2\x01\x02");
        publish.extend_from_slice(envelope);
        publish[1] = u8::try_from(publish.len() - 2).unwrap();
        let large = [&[0x30, 0x80, 0x01][..], &[0; 128]].concat();
        let all = [&large[..], &publish, &[0x50, 2, 1, 2]].concat();
        for size in [1, 2, 3, 100, all.len()] {
            let mut packets = Packets::default();
            let (mut heard, mut found) = (Vec::new(), Vec::new());
            for piece in all.chunks(size) {
                packets.hear(piece, |first, body| {
                    heard.push((first, body.len()));
                    found.extend(numbered(first, body));
                });
            }
            assert_eq!(heard, [(0x30, 128), (0x34, publish.len() - 2), (0x50, 2)]);
            let [(0x0102, Sent { level: 1, number: 7, is_answer: true })] = found[..] else {
                panic!("{} found", found.len())
            };
        }
    }
}
