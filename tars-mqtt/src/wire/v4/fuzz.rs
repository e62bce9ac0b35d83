//! What a broker sends, well-formed and not, in whatever pieces it arrives.

use bytes::{BufMut, Bytes, BytesMut};
use fastrand::Rng;

use super::{Decoder, from_rumqttc, shown};
use crate::fuzz::{Target, fuzz, mutate, once_in, pick, target};
use crate::wire::{Packet, Unreadable};

const LIMIT: usize = 4096;
const LIMITS: [usize; 5] = [16, 64, 1024, 1024, LIMIT];

/// What was read of a stream: `Debug` of a message leaves its payload out.
type Read = (Vec<(String, Bytes)>, Option<String>);

fn read(pieces: impl Iterator<Item = impl AsRef<[u8]>>, limit: usize) -> Read {
    let mut decoder = Decoder::new(limit);
    let mut buffer = BytesMut::new();
    let mut all = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece.as_ref());
        loop {
            match decoder.decode(&mut buffer) {
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
                Ok(Some(received)) => {
                    let payload = match &received {
                        Packet::Publish { message, .. } => message.payload().clone(),
                        _ => Bytes::new(),
                    };
                    all.push((format!("{received:?}"), payload));
                }
            }
        }
    }
    (all, None)
}

#[test]
fn packets_are_the_same_however_the_bytes_are_cut() {
    let shares = [("read", 30), ("an error after some", 10), ("an error", 5)];
    fuzz("packets in pieces", 8_000, &shares, |rng| {
        let bytes = stream(rng);
        let limit = pick(rng, &LIMITS);
        let whole = read([&bytes].into_iter(), limit);
        let single = read(bytes.chunks(1), limit);
        assert_eq!(single, whole, "{bytes:x?} byte by byte");
        let mut rest = &bytes[..];
        let pieces = std::iter::from_fn(|| {
            let (piece, after) = rest.split_at(rng.usize(..40).min(rest.len()));
            rest = after;
            (!piece.is_empty() || !rest.is_empty()).then_some(piece)
        });
        assert_eq!(read(pieces, limit), whole, "{bytes:x?} in pieces");
        match whole {
            (all, None) if !all.is_empty() => "read",
            (all, Some(_)) if !all.is_empty() => "an error after some",
            (_, Some(_)) => "an error",
            _ => "nothing",
        }
    });
}

#[test]
fn a_packet_is_what_rumqttc_makes_of_it() {
    let shares = [("publish", 20), ("other", 10), ("refused", 10)];
    fuzz("packets and rumqttc", 30_000, &shares, |rng| {
        let mut bytes = packet(rng);
        if rng.bool() {
            mutate(rng, &mut bytes, &[0, 1, 2, 0x30, 0x32, 0x7f, 0x80, 0xff]);
        }
        let mut decoder = Decoder::new(LIMIT);
        let mut buffer = BytesMut::from(&bytes[..]);
        let ours = decoder.decode(&mut buffer);
        let theirs = rumqttc::Packet::read(&mut BytesMut::from(&bytes[..]), LIMIT);
        compare(ours, theirs, &bytes)
    });
}

/// A limit and where to cut, and what a broker sends.
fn check(input: &[u8]) {
    let [limit, piece, bytes @ ..] = input else { return };
    let limit = LIMITS[usize::from(*limit) % LIMITS.len()];
    let whole = read([bytes].into_iter(), limit);
    assert_eq!(read(bytes.chunks(1), limit), whole);
    assert_eq!(read(bytes.chunks(usize::from(*piece).max(2)), limit), whole);
    let ours = Decoder::new(LIMIT).decode(&mut BytesMut::from(bytes));
    let theirs = rumqttc::Packet::read(&mut BytesMut::from(bytes), LIMIT);
    compare(ours, theirs, bytes);
}

pub(crate) const TARGET: Target = {
    let make = |rng: &mut Rng| [vec![rng.u8(..), rng.u8(..)], stream(rng)].concat();
    target!("packets", make, check)
};

#[test]
fn corpus_of_packets() {
    TARGET.run();
}

fn compare(
    ours: Result<Option<Packet>, String>,
    theirs: Result<rumqttc::Packet, rumqttc::mqttbytes::Error>,
    bytes: &[u8],
) -> &'static str {
    use rumqttc::mqttbytes::Error::{InsufficientBytes, PayloadSizeLimitExceeded, TopicNotUtf8};
    match (ours, theirs) {
        (Ok(Some(Packet::Publish { id, message })), Ok(rumqttc::Packet::Publish(publish))) => {
            assert_eq!((id, message.topic()), (publish.pkid, publish.topic.as_str()));
            assert_eq!(message.payload(), &publish.payload, "{bytes:x?}");
            assert_eq!(message.qos(), from_rumqttc(publish.qos));
            assert_eq!((message.retain(), message.dup()), (publish.retain, publish.dup));
            "publish"
        }
        // rumqttc lets U+0000 pass, and its limit is one of what follows the header.
        (Ok(Some(Packet::Unreadable(unreadable))), Ok(rumqttc::Packet::Publish(publish))) => {
            let known = publish.topic.contains('\0') || bytes.len() > LIMIT;
            assert!(known, "{bytes:x?}");
            assert_eq!((unreadable.id, unreadable.topic), (publish.pkid, publish.topic));
            "unreadable"
        }
        (Ok(Some(Packet::Unreadable(Unreadable { reason, .. }))), Err(error)) => {
            let small = matches!(error, InsufficientBytes(_)) && reason.contains("over the limit");
            let known = small || matches!(error, TopicNotUtf8 | PayloadSizeLimitExceeded(_));
            assert!(known, "{reason}, {error}: {bytes:x?}");
            "unreadable"
        }
        (Ok(Some(received)), Ok(packet)) => {
            assert_eq!(shown(&received), Some(packet), "{bytes:x?}");
            "other"
        }
        // To rumqttc a header is enough to refuse what is too large; here the topic is waited for.
        (Ok(None), Err(InsufficientBytes(_) | PayloadSizeLimitExceeded(_))) => "more bytes needed",
        (Err(error), Ok(packet)) => {
            let known = error.contains("never sends") || bytes.len() > LIMIT;
            assert!(known, "{error}, {packet:?}: {bytes:x?}");
            "refused"
        }
        (Err(_), Err(_)) => "refused",
        (ours, theirs) => panic!("{ours:?}, {theirs:?}: {bytes:x?}"),
    }
}

const TOPICS: [&[u8]; 9] = [
    b"a/b",
    "ünï/☃".as_bytes(),
    b"$SYS/x",
    b"",
    b"a\0b",
    b"a/\xff",
    b"\xed\xa0\x80",
    b"+/#",
    &[b't'; 90],
];

/// Some packets, of which something may be wrong.
fn stream(rng: &mut Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..rng.usize(1..5)).flat_map(|_| packet(rng)).collect();
    if once_in(rng, 3) {
        for _ in 0..rng.usize(1..4) {
            mutate(rng, &mut bytes, &[0, 1, 2, 0x30, 0x32, 0x7f, 0x80, 0xff]);
        }
    }
    if once_in(rng, 20) {
        bytes = (0..rng.usize(..60)).map(|_| rng.u8(..)).collect();
    }
    bytes
}

fn packet(rng: &mut Rng) -> Vec<u8> {
    if rng.bool() {
        return publish(rng);
    }
    let id = pick(rng, &[0, 1, 7, 0x7fff, u16::MAX]).to_be_bytes();
    match rng.u8(..10) {
        0..4 => [&[pick(rng, &[0x40, 0x50, 0x62, 0x70]), 2], &id[..]].concat(),
        4 => {
            let codes = (0..rng.usize(..4)).map(|_| pick(rng, &[0, 1, 2, 0x80, 3]));
            framed(0x90, &id.into_iter().chain(codes).collect::<Vec<u8>>())
        }
        5 => framed(0xb0, &id),
        6 => vec![0xd0, 0],
        7 => vec![0xe0, 0],
        8 => vec![0x20, 2, rng.u8(..2), rng.u8(..6)],
        _ => {
            let body: Vec<u8> = (0..rng.usize(..6)).map(|_| rng.u8(..)).collect();
            framed(rng.u8(..), &body)
        }
    }
}

fn publish(rng: &mut Rng) -> Vec<u8> {
    let qos = pick(rng, &[0, 0, 1, 1, 1, 2, 2, 3]);
    let topic = if rng.bool() { TOPICS[0] } else { pick(rng, &TOPICS) };
    let declared = if once_in(rng, 12) { rng.usize(..200) } else { topic.len() };
    let mut body = BytesMut::new();
    body.put_u16(u16::try_from(declared).unwrap_or(u16::MAX));
    body.put_slice(topic);
    if qos > 0 {
        body.put_u16(if once_in(rng, 12) { 0 } else { rng.u16(1..) });
    }
    let longest = pick(rng, &[4, 20, 200]);
    let payload = if once_in(rng, 40) { rng.usize(900..5_000) } else { rng.usize(..longest) };
    body.put_bytes(rng.u8(..), payload);
    framed(0x30 | (qos << 1) | (rng.u8(..) & 9), &body)
}

fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut remaining = body.len();
    loop {
        let low = u8::try_from(remaining % 128).unwrap_or_default();
        remaining /= 128;
        packet.push(if remaining > 0 { low | 0x80 } else { low });
        if remaining == 0 {
            packet.extend_from_slice(body);
            return packet;
        }
    }
}
