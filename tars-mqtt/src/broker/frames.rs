//! Follows the packets in one direction of a connection without holding them.

use super::limits::{MAX_CONNECT, MAX_PROPERTIES, MAX_TOPIC};

/// What passed through a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// CONNECT, of MQTT 5 or not.
    Connect { v5: bool },
    /// PUBLISH at QoS 0.
    Publish,
    /// PUBLISH at QoS 1 or 2, with the size of the packet.
    Numbered { qos: u8, id: u16, size: usize },
    /// PUBACK, PUBREC, PUBREL or PUBCOMP, by its packet type.
    Answer { kind: u8, id: u16 },
    /// SUBSCRIBE.
    Subscribe,
}

/// Why a connection is closed for what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooLarge {
    Connect,
    Topic,
    Properties,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Type,
    Length {
        shift: u32,
    },
    Level,
    TopicLength,
    Topic,
    Id,
    PropertyLength {
        value: usize,
        shift: u32,
    },
    AnswerId,
    Rest,
    /// What is no packet any more: the broker closes the connection for it.
    Lost,
}

/// The packets in one direction.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) v5: bool,
    /// Whether what is too large is refused.
    limited: bool,
    step: Step,
    first: u8,
    /// The size of the packet after its fixed header, and what of it has not passed yet.
    size: usize,
    left: usize,
    /// What of the current part has passed: its last bytes as a number, and how many.
    value: u64,
    taken: usize,
    topic: usize,
}

impl Frames {
    pub(super) fn new(limited: bool) -> Self {
        Self {
            v5: false,
            limited,
            step: Step::Type,
            first: 0,
            size: 0,
            left: 0,
            value: 0,
            taken: 0,
            topic: 0,
        }
    }

    /// Follows these bytes, and tells of each packet that it sees.
    pub(super) fn follow(
        &mut self,
        mut bytes: &[u8],
        mut tell: impl FnMut(Seen),
    ) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            let skipped = self.skippable().min(bytes.len());
            if skipped > 0 {
                self.pass(skipped);
                bytes = &bytes[skipped..];
            } else if let Some((byte, rest)) = bytes.split_first() {
                bytes = rest;
                self.step(*byte, &mut tell)?;
            }
        }
        Ok(())
    }

    /// Bytes that hold nothing to look at.
    fn skippable(&self) -> usize {
        match self.step {
            Step::Lost => usize::MAX,
            Step::Rest => self.left,
            Step::Topic => (self.topic - self.taken).min(self.left),
            _ => 0,
        }
    }

    fn pass(&mut self, bytes: usize) {
        match self.step {
            Step::Lost => return,
            Step::Topic => {
                self.taken += bytes;
                self.left -= bytes;
                if self.taken == self.topic {
                    let numbered = self.qos() > 0;
                    self.enter(if numbered { Step::Id } else { self.after_id() });
                }
            }
            _ => self.left -= bytes,
        }
        self.end_if_done();
    }

    fn step(&mut self, byte: u8, tell: &mut impl FnMut(Seen)) -> Result<(), TooLarge> {
        match self.step {
            Step::Type => {
                self.first = byte;
                self.size = 0;
                self.step = Step::Length { shift: 0 };
                return Ok(());
            }
            Step::Length { shift } => {
                self.size |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    self.left = self.size;
                    return self.begin(tell);
                }
                self.step = if shift < 21 { Step::Length { shift: shift + 7 } } else { Step::Lost };
                return Ok(());
            }
            _ => {}
        }
        self.left -= 1;
        self.value = self.value << 8 | u64::from(byte);
        self.taken += 1;
        match self.step {
            // Two bytes of length, `MQTT`, and the level.
            Step::Level if self.taken == 7 => {
                self.v5 = byte == 5;
                tell(Seen::Connect { v5: self.v5 });
                self.enter(Step::Rest);
            }
            Step::TopicLength if self.taken == 2 => {
                self.topic = usize::from(self.number());
                if self.limited && self.topic > MAX_TOPIC {
                    return Err(TooLarge::Topic);
                }
                if self.qos() == 0 {
                    tell(Seen::Publish);
                }
                self.enter(Step::Topic);
                self.pass(0);
            }
            Step::Id if self.taken == 2 => {
                tell(Seen::Numbered { qos: self.qos(), id: self.number(), size: self.size });
                self.enter(self.after_id());
            }
            Step::PropertyLength { value, shift } => {
                let value = value | usize::from(byte & 0x7f) << shift;
                if self.limited && value > MAX_PROPERTIES {
                    return Err(TooLarge::Properties);
                }
                let more = byte & 0x80 != 0 && shift < 21;
                self.enter(if more {
                    Step::PropertyLength { value, shift: shift + 7 }
                } else {
                    Step::Rest
                });
            }
            Step::AnswerId if self.taken == 2 => {
                tell(Seen::Answer { kind: self.first >> 4, id: self.number() });
                self.enter(Step::Rest);
            }
            _ => {}
        }
        self.end_if_done();
        Ok(())
    }

    fn begin(&mut self, tell: &mut impl FnMut(Seen)) -> Result<(), TooLarge> {
        let step = match self.first >> 4 {
            1 if self.limited && self.size > MAX_CONNECT => return Err(TooLarge::Connect),
            1 => Step::Level,
            3 => Step::TopicLength,
            4..=7 => Step::AnswerId,
            8 => {
                tell(Seen::Subscribe);
                Step::Rest
            }
            _ => Step::Rest,
        };
        self.enter(step);
        self.end_if_done();
        Ok(())
    }

    fn after_id(&self) -> Step {
        if self.v5 { Step::PropertyLength { value: 0, shift: 0 } } else { Step::Rest }
    }

    fn enter(&mut self, step: Step) {
        self.step = step;
        self.value = 0;
        self.taken = 0;
    }

    fn end_if_done(&mut self) {
        if self.left == 0 && !matches!(self.step, Step::Lost) {
            self.enter(Step::Type);
        }
    }

    fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }

    fn number(&self) -> u16 {
        u16::try_from(self.value & 0xffff).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(v5: bool, bytes: &[u8], chunk: usize) -> Result<Vec<Seen>, TooLarge> {
        let mut frames = Frames::new(true);
        frames.v5 = v5;
        let mut seen = Vec::new();
        for part in bytes.chunks(chunk) {
            frames.follow(part, |one| seen.push(one))?;
        }
        Ok(seen)
    }

    #[test]
    fn packets_are_seen_however_they_are_cut() {
        let bytes = [
            &b"\x10\x0d\0\x04MQTT\x05\x02\0\x3c\0\x01a"[..],
            b"\x82\x06\0\x01\0\x01a\x01",
            b"\x30\x05\0\x01a\0x",
            b"\x32\x08\0\x01a\0\x07\0xy",
            b"\xc0\0",
            b"\x34\x07\0\x01a\x01\x02\0x",
            b"\x62\x02\x01\x02",
            b"\x40\x02\0\x09",
        ]
        .concat();
        let expected = [
            Seen::Connect { v5: true },
            Seen::Subscribe,
            Seen::Publish,
            Seen::Numbered { qos: 1, id: 7, size: 8 },
            Seen::Numbered { qos: 2, id: 0x102, size: 7 },
            Seen::Answer { kind: 6, id: 0x102 },
            Seen::Answer { kind: 4, id: 9 },
        ];
        for chunk in 1..bytes.len() {
            assert_eq!(follow(false, &bytes, chunk).unwrap(), expected, "{chunk}");
        }
    }

    #[test]
    fn what_copies_hold_beside_the_payload_is_bounded() {
        let long = [&b"\x30\xff\xff\x03"[..], b"\x10\x01"].concat();
        assert_eq!(follow(false, &long, 1), Err(TooLarge::Topic));
        let properties = b"\x30\xff\xff\x03\0\x01a\x81\x40";
        assert_eq!(follow(true, properties, 1), Err(TooLarge::Properties));
        assert_eq!(follow(false, properties, 1), Ok(vec![Seen::Publish]));
        assert_eq!(follow(false, b"\x10\x81\x80\x04", 1), Err(TooLarge::Connect));
    }

    #[test]
    fn no_bytes_are_too_odd_to_follow() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2000 {
            let bytes: Vec<u8> = (0..random.usize(1..300)).map(|_| random.u8(..)).collect();
            let whole = follow(random.bool(), &bytes, bytes.len());
            drop(whole);
        }
    }
}
