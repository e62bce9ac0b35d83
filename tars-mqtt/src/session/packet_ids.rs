use crate::wire::MAX_PACKET_ID;

/// Which packet identifiers are under way (section 2.3.1). All kinds of packets draw from one pool,
/// and an identifier returns to it only when its packet has been answered.
#[derive(Debug)]
pub(super) struct PacketIds {
    used: Vec<bool>,
    last: u16,
    highest: u16,
}

impl Default for PacketIds {
    fn default() -> Self {
        Self::up_to(MAX_PACKET_ID)
    }
}

impl PacketIds {
    pub(super) fn up_to(highest: u16) -> Self {
        Self { used: vec![false; usize::from(highest) + 1], last: 0, highest }
    }

    /// An identifier that nothing else uses, the next one after the last.
    pub(super) fn take(&mut self) -> Option<u16> {
        for _ in 0..self.highest {
            self.last = if self.last >= self.highest { 1 } else { self.last + 1 };
            let used = &mut self.used[usize::from(self.last)];
            if !*used {
                *used = true;
                return Some(self.last);
            }
        }
        None
    }

    /// Begins with any identifier, unless one has been taken already: those at the beginning are the
    /// likeliest to be in use where nobody knows which are.
    pub(super) fn begin_anywhere(&mut self) {
        if self.last == 0 {
            self.last = fastrand::u16(1..=self.highest);
        }
    }

    #[cfg(test)]
    pub(super) fn is_used(&self, id: u16) -> bool {
        self.used.get(usize::from(id)).is_some_and(|used| *used)
    }

    /// How many are in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.iter().filter(|used| **used).count()
    }

    pub(super) fn free(&mut self, id: u16) {
        if let Some(used) = self.used.get_mut(usize::from(id)) {
            *used = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_in_use_is_skipped_and_none_is_zero() {
        let mut ids = PacketIds::default();
        assert_eq!((ids.take(), ids.take()), (Some(1), Some(2)));
        ids.free(1);
        for expected in 3..=MAX_PACKET_ID {
            assert_eq!(ids.take(), Some(expected));
        }
        assert_eq!(ids.take(), Some(1));
        assert_eq!(ids.take(), None);
        ids.free(77);
        assert_eq!(ids.take(), Some(77));
    }
}
