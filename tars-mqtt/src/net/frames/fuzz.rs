//! Frames as a server sends them and as none would, beside a second reading of RFC 6455.

use std::sync::{Arc, Mutex};
use std::task::Waker;

use fastrand::Rng;

use super::*;
use crate::fuzz::{Target, mutate, once_in, pick, target};

/// The stream beneath: delivers and takes few bytes at once.
struct Wire {
    incoming: Vec<u8>,
    at: usize,
    chunk: usize,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let end = self.incoming.len().min(self.at + self.chunk.min(buffer.remaining()));
        buffer.put_slice(&self.incoming[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = bytes.len().min(self.chunk);
        self.written.lock().expect("nobody panicked").extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Wire {}

/// An opcode, and what the frame carries.
type Answer = (u8, Vec<u8>);

/// What came of it: the bytes inside, what was answered, and the error that ended it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    inside: Vec<u8>,
    answers: Vec<Answer>,
    error: Option<String>,
}

fn read(bytes: &[u8], before: usize, chunk: usize, buffer: usize) -> Outcome {
    let written = Arc::<Mutex<Vec<u8>>>::default();
    let (raw, incoming) = bytes.split_at(before.min(bytes.len()));
    let wire = Wire { incoming: incoming.to_vec(), at: 0, chunk, written: written.clone() };
    let mut frames = Frames::new(Box::new(wire), BytesMut::from(raw));
    let mut context = Context::from_waker(Waker::noop());
    let mut inside = Vec::new();
    let error = loop {
        let mut part = vec![0; buffer];
        let mut part = ReadBuf::new(&mut part);
        match Pin::new(&mut frames).poll_read(&mut context, &mut part) {
            Poll::Ready(Ok(())) if part.filled().is_empty() => break None,
            Poll::Ready(Ok(())) => inside.extend_from_slice(part.filled()),
            Poll::Ready(Err(error)) => break Some(error.to_string()),
            Poll::Pending => panic!("nothing is waited for"),
        }
    };
    // An error leaves its last answer unwritten.
    let _ = Pin::new(&mut frames).poll_flush(&mut context);
    let answers = answers(&written.lock().expect("nobody panicked"));
    Outcome { inside, answers, error }
}

/// The frames of a client, which are short, whole and masked.
fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut all = Vec::new();
    while let [first, size, rest @ ..] = bytes {
        assert!(first & 0xf0 == 0x80 && size & 0x80 != 0, "{first:x} {size:x}");
        let (mask, rest) = rest.split_at(4);
        let (content, rest) = rest.split_at(usize::from(size & 0x7f));
        let content = content.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key);
        all.push((first & 0x0f, content.collect()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "whole frames are written");
    all
}

/// The same, from all bytes at once. An error is said without its words.
fn expected(mut bytes: &[u8]) -> (Vec<u8>, Vec<Answer>, bool) {
    let (mut inside, mut answers, mut is_inside_message) = (Vec::new(), Vec::new(), false);
    loop {
        let [first, second, rest @ ..] = bytes else { return (inside, answers, false) };
        if first & 0x70 != 0 || second & 0x80 != 0 {
            return (inside, answers, true);
        }
        let digits = match second {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if rest.len() < digits {
            return (inside, answers, false);
        }
        let (size, rest) = rest.split_at(digits);
        let written = size.iter().fold(0_u64, |size, byte| (size << 8) | u64::from(*byte));
        let size = if digits == 0 { u64::from(*second) } else { written };
        let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
        let is_data = opcode == if is_inside_message { 0 } else { 2 };
        let is_control = (8..=10).contains(&opcode) && is_last && size <= 125;
        if size > u64::MAX / 2 || !(is_data || is_control) {
            return (inside, answers, true);
        }
        let here = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        let (content, after) = rest.split_at(here);
        if is_data {
            inside.extend_from_slice(content);
            is_inside_message = !is_last;
        } else if (content.len() as u64) < size {
            return (inside, answers, false);
        } else if opcode == 9 {
            answers.push((10, content.to_vec()));
        } else if opcode == 8 {
            answers.push((8, content.get(..2).unwrap_or_default().to_vec()));
            let is_normal = content.len() < 2 || content[..2] == [3, 0xe8];
            return (inside, answers, !is_normal);
        }
        bytes = after;
    }
}

fn check(input: &[u8]) {
    let [before, chunk, bytes @ ..] = input else { return };
    let (inside, answers, is_error) = expected(bytes);
    let chunk = usize::from(*chunk).max(1);
    let whole = read(bytes, 0, usize::MAX, 4096);
    assert_eq!((&whole.inside, &whole.answers), (&inside, &answers));
    assert_eq!(whole.error.is_some(), is_error, "{:?}", whole.error);
    assert_eq!(read(bytes, usize::from(*before), chunk, chunk), whole);
    assert_eq!(read(bytes, 0, 1, 7), whole);
}

fn make(rng: &mut Rng) -> Vec<u8> {
    let mut input = vec![pick(rng, &[0, 0, 3, 200]), rng.u8(..)];
    for _ in 0..rng.usize(1..6) {
        let size: u8 = pick(rng, &[0, 1, 2, 7, 125, 126, 130]);
        input.push(pick(rng, &[0x82, 0x82, 2, 0, 0x80, 0x89, 0x8a, 0x88, 0x81, 0xc2, 9]));
        match size {
            ..126 => input.push(size),
            _ if rng.bool() => input.extend([126, 0, size]),
            _ => input.extend([127, 0, 0, 0, 0, 0, 0, 0, size]),
        }
        let normal = rng.bool();
        input.extend((0..size).map(|at| match at {
            0 if normal => 3,
            1 if normal => 0xe8,
            _ => rng.u8(..),
        }));
    }
    if once_in(rng, 3) {
        mutate(rng, &mut input, &[0, 2, 0x80, 0x82, 0x88, 0x89, 126, 127, 0xff]);
    }
    input
}

pub(crate) const TARGET: Target = target!("frames", make, check);

#[test]
fn corpus_of_frames() {
    TARGET.run();
}
