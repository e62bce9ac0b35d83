use std::cell::RefCell;

/// Random bytes fetched at once, for as many ids.
const BATCH: usize = 64;

struct Random {
    bytes: [u8; 16 * BATCH],
    used: usize,
}

thread_local! {
    static RANDOM: RefCell<Random> =
        const { RefCell::new(Random { bytes: [0; 16 * BATCH], used: 16 * BATCH }) };
}

/// A new correlation id: a UUID of version 4 in 32 lower-case hex digits.
pub(crate) fn fresh_id() -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = RANDOM.with_borrow_mut(Random::next);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = String::with_capacity(32);
    for byte in bytes {
        id.push(char::from(DIGITS[usize::from(byte >> 4)]));
        id.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    id
}

impl Random {
    fn next(&mut self) -> [u8; 16] {
        if self.used >= self.bytes.len() {
            if getrandom::fill(&mut self.bytes).is_err() {
                // No system that runs tokio lacks a random source; ids then still differ.
                fastrand::fill(&mut self.bytes);
            }
            self.used = 0;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&self.bytes[self.used..self.used + 16]);
        self.used += 16;
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_uuids_without_dashes_and_all_different() {
        let ids: HashSet<String> = (0..1000).map(|_| fresh_id()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.len(), 32);
            assert!(id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
            assert_eq!(&id[12..13], "4");
            assert!("89ab".contains(&id[16..17]), "{id}");
        }
    }
}
