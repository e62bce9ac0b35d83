/// A set of packet identifiers: asked for every message, so a bit for each.
#[derive(Debug)]
pub(super) struct IdSet(Vec<u64>);

impl Default for IdSet {
    fn default() -> Self {
        Self(vec![0; 1 << 10])
    }
}

impl IdSet {
    pub(super) fn insert(&mut self, id: u16) {
        self.0[usize::from(id >> 6)] |= 1 << (id & 63);
    }

    pub(super) fn remove(&mut self, id: u16) {
        self.0[usize::from(id >> 6)] &= !(1 << (id & 63));
    }

    pub(super) fn contains(&self, id: u16) -> bool {
        self.0[usize::from(id >> 6)] & (1 << (id & 63)) != 0
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_there_until_it_is_taken_out() {
        let mut ids = IdSet::default();
        for id in [0, 1, 63, 64, u16::MAX] {
            assert!(!ids.contains(id));
            ids.insert(id);
            assert!(ids.contains(id));
        }
        ids.remove(64);
        assert!(!ids.contains(64) && ids.contains(63));
        ids.clear();
        assert!(!ids.contains(u16::MAX));
    }
}
