use std::collections::VecDeque;

/// Filters in one SUBSCRIBE or UNSUBSCRIBE at the most. Some brokers take fewer (AWS `IoT` Core takes
/// 8) and close the connection instead of saying so: see [`BatchLimit::closed`].
const MAX_FILTERS: usize = 64;

/// Bytes of filters in one packet. A single filter may be longer.
const MAX_BYTES: usize = 8 * 1024;

/// How many filters the broker takes in one packet, as far as is known.
#[derive(Debug)]
pub(super) struct BatchLimit(usize);

impl Default for BatchLimit {
    fn default() -> Self {
        Self(MAX_FILTERS)
    }
}

impl BatchLimit {
    /// The broker closed the connection while a packet with that many filters was unanswered:
    /// the next ones have half as many. Returns whether there is nothing left to halve.
    pub(super) fn closed(&mut self, filters: usize) -> bool {
        let was_single = filters <= 1;
        self.0 = (filters.min(self.0) / 2).max(1);
        was_single
    }

    /// Takes from the front what fits into one packet, leaving out what `is_meant` denies.
    pub(super) fn take(
        &self,
        filters: &mut VecDeque<String>,
        mut is_meant: impl FnMut(&str) -> bool,
    ) -> Vec<String> {
        let mut bytes = 0;
        let mut batch: Vec<String> = Vec::new();
        while let Some(next) = filters.front() {
            let is_full = batch.len() >= self.0 || bytes + next.len() > MAX_BYTES;
            if !batch.is_empty() && is_full {
                break;
            }
            let length = next.len();
            if let Some(filter) = filters.pop_front()
                && is_meant(&filter)
            {
                bytes += length;
                batch.push(filter);
            }
        }
        // A burst of filters must not hold its memory for ever.
        if filters.is_empty() {
            filters.shrink_to(MAX_FILTERS);
        }
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(count: usize, length: usize) -> VecDeque<String> {
        (0..count).map(|index| format!("{index:0length$}")).collect()
    }

    #[test]
    fn batches_are_bounded_in_number_and_bytes() {
        let mut many = filters(130, 1);
        let limit = BatchLimit::default();
        let mut sizes = Vec::new();
        while !many.is_empty() {
            sizes.push(limit.take(&mut many, |_| true).len());
        }
        assert_eq!(sizes, [64, 64, 2]);
        let mut long = filters(3, 5_000);
        assert_eq!(limit.take(&mut long, |_| true).len(), 1);
        let mut longest = filters(2, 60_000);
        assert_eq!(limit.take(&mut longest, |_| true).len(), 1);
    }

    #[test]
    fn the_limit_is_halved_with_each_close_down_to_one() {
        let mut limit = BatchLimit::default();
        let mut sizes = Vec::new();
        loop {
            let size = limit.take(&mut filters(100, 1), |_| true).len();
            sizes.push(size);
            if limit.closed(size) {
                break;
            }
        }
        assert_eq!(sizes, [64, 32, 16, 8, 4, 2, 1]);
        assert_eq!(limit.take(&mut filters(100, 1), |_| true).len(), 1);
    }

    #[test]
    fn what_is_not_wanted_any_more_is_left_out() {
        let mut all = filters(10, 1);
        let batch = BatchLimit::default().take(&mut all, |filter| filter > "4");
        assert_eq!(batch, ["5", "6", "7", "8", "9"]);
        assert!(all.is_empty());
    }
}
