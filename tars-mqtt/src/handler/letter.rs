use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::event::{DeadLetter, Event as _, encode};
use crate::qos::QoS;
use crate::text::cut;
use crate::wire::Publish;

/// What a dead letter is made of.
pub(super) struct Remains<'m> {
    pub(super) id: &'m str,
    pub(super) topic: &'m str,
    pub(super) payload: &'m [u8],
    pub(super) reason: &'m str,
    pub(super) handler: &'static str,
    pub(super) attempts: u32,
}

/// How many bytes of id, topic and reason a letter has at the most, from attempt to attempt: what
/// came in may hardly fit into a packet, and a letter is larger.
const PARTS: [(usize, usize, usize); 4] =
    [(usize::MAX, usize::MAX, usize::MAX), (256, 1024, 1024), (128, 128, 128), (32, 32, 32)];

/// Bytes of payload for whose sake id, topic and reason are not cut.
const ENOUGH: usize = 1024;

/// Bytes by which a frame may grow when it is filled: its length, and the digits of its time.
const SLACK: usize = 16;

/// Puts a letter together that keeps within the limit of a packet. Cuts what must be cut, and says
/// so in it.
pub(super) fn put_together(
    remains: &Remains<'_>,
    letters: &str,
    source: &str,
    limit: usize,
) -> Result<Publish> {
    let mut refused = None;
    for (id, topic, reason) in PARTS {
        let parts = Remains {
            id: cut(remains.id, id),
            topic: cut(remains.topic, topic),
            reason: cut(remains.reason, reason),
            ..*remains
        };
        match parts.letter(remains, letters, source, limit) {
            Ok(publish) => return Ok(publish),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or(Error::TooLarge { size: remains.payload.len(), limit }))
}

impl Remains<'_> {
    /// A letter with as much of the payload as there is room for; an error where that is next to
    /// nothing.
    fn letter(
        &self,
        whole: &Remains<'_>,
        letters: &str,
        source: &str,
        limit: usize,
    ) -> Result<Publish> {
        let text = std::str::from_utf8(self.payload);
        let cut_parts = (self.id.len(), self.topic.len(), self.reason.len())
            != (whole.id.len(), whole.topic.len(), whole.reason.len());
        let write = |payload: String, truncated: bool| -> Result<Publish> {
            let letter = DeadLetter {
                topic: self.topic.to_owned(),
                payload,
                encoding: if text.is_ok() { "utf-8" } else { "hex" }.to_owned(),
                reason: self.reason.to_owned(),
                handler: self.handler.to_owned(),
                attempts: self.attempts,
                truncated,
                size: truncated.then_some(self.payload.len() as u64),
            };
            let payload = encode(&letter, self.id, source)?;
            Ok(Publish::new(letters.to_owned(), payload, QoS::AtLeastOnce, DeadLetter::RETAIN))
        };
        // Larger than its bytes the payload only becomes by being written.
        if self.payload.len() <= limit {
            let payload = text.map_or_else(|_| hex(self.payload), str::to_owned);
            let letter = write(payload, cut_parts)?;
            if letter.check_size(limit).is_ok() {
                return Ok(letter);
            }
        }
        let frame = write(String::new(), true)?;
        frame.check_size(limit)?;
        let room = limit.saturating_sub(frame.size() + SLACK);
        let payload = match text {
            Ok(text) => text_within(text, room).to_owned(),
            Err(_) => hex(&self.payload[..self.payload.len().min(room / 2)]),
        };
        if payload.len() < ENOUGH.min(limit / 4) && payload.len() < self.payload.len() {
            return Err(Error::TooLarge {
                size: limit + self.payload.len() - payload.len(),
                limit,
            });
        }
        let letter = write(payload, true)?;
        letter.check_size(limit).map(|()| letter)
    }
}

/// As much of a text as JSON writes in so many bytes.
fn text_within(text: &str, bytes: usize) -> &str {
    let mut room = bytes;
    for (at, character) in text.char_indices() {
        let written = match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if written > room {
            return &text[..at];
        }
        room -= written;
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Head;

    fn written(payload: &[u8], id: &str, topic: &str, limit: usize) -> (usize, DeadLetter) {
        let reason = "it failed";
        let remains = Remains { id, topic, payload, reason, handler: "a::b", attempts: 1 };
        let publish = put_together(&remains, "dead/b", "source", limit).unwrap();
        assert!(publish.check_size(limit).is_ok());
        let letter = Head::parse(publish.payload()).unwrap().read(publish.payload()).unwrap();
        (publish.size(), letter)
    }

    #[test]
    fn a_letter_that_fits_is_whole() {
        for payload in [&b"hello"[..], &[0xff, 0], &vec![b'x'; 900_000], &[]] {
            let (_, letter) = written(payload, "1", "a", 1 << 20);
            assert!(!letter.truncated && letter.size.is_none());
            assert_eq!(letter.payload.is_empty(), payload.is_empty());
        }
    }

    #[test]
    fn a_letter_that_does_not_fit_is_cut_and_says_so() {
        for payload in [
            vec![0xff; 600_000],
            vec![b'\n'; 600_000],
            vec![0x01; 600_000],
            "ü".repeat(524_200).into_bytes(),
            vec![b'x'; 1_048_500],
        ] {
            let (size, letter) = written(&payload, "1", "a", 1 << 20);
            assert!(letter.truncated);
            assert_eq!(letter.size, Some(payload.len() as u64));
            assert!(size > (1 << 20) - 64, "{size} bytes: as much as fits");
        }
    }

    #[test]
    fn a_letter_is_written_whatever_is_too_long() {
        for limit in [1024, 4096, 1 << 20] {
            for id in [1, 500, 900_000] {
                for topic in [1, 500, 60_000] {
                    for payload in [0, 100, 3000, 1_000_000] {
                        let (id, topic) = ("i".repeat(id), "t".repeat(topic));
                        let (_, letter) = written(&vec![0xfe; payload], &id, &topic, limit);
                        let is_whole = letter.topic == topic && letter.payload.len() == 2 * payload;
                        assert!(is_whole || letter.truncated);
                        assert!(letter.payload.len() >= (2 * payload).min(256));
                    }
                }
            }
        }
    }
}
