use std::collections::VecDeque;

use super::batch::BatchLimit;
use crate::session::packet_ids::PacketIds;
use crate::wire::{Packet, PacketSink};

/// Connections that the broker may close instead of answering before the rest is left with it. What
/// comes by such a filter is noticed, and it is given up then.
const CLOSES: u32 = 8;

/// Filters that the broker may have and that nobody wants any more.
#[derive(Debug, Default)]
pub(super) struct Unwanted {
    waiting: VecDeque<String>,
    /// UNSUBSCRIBE packets under way, with their filters.
    under_way: Vec<(u16, Vec<String>)>,
    /// Connections in a row that were closed meanwhile.
    closes: u32,
}

impl Unwanted {
    pub(super) fn add(&mut self, filter: String) {
        self.waiting.push_back(filter);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Writes an UNSUBSCRIBE, if there is something for one. Returns its identifier. Filters that are
    /// wanted again are passed over.
    pub(super) fn send(
        &mut self,
        out: &mut impl PacketSink,
        ids: &mut PacketIds,
        limit: &BatchLimit,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Option<u16> {
        let filters = limit.take(&mut self.waiting, |text| !is_wanted(text));
        if filters.is_empty() {
            return None;
        }
        let Some(id) = ids.take() else {
            self.waiting.extend(filters);
            return None;
        };
        out.send(Packet::Unsubscribe { id, filters: filters.clone() });
        self.under_way.push((id, filters));
        Some(id)
    }

    /// UNSUBACK. Returns whether it was waited for.
    pub(super) fn answered(&mut self, id: u16) -> bool {
        let Some(at) = self.under_way.iter().position(|(asked, _)| *asked == id) else {
            return false;
        };
        self.under_way.swap_remove(at);
        self.closes = 0;
        true
    }

    /// What was not answered is asked for again, unless that is what the broker closes connections
    /// for.
    pub(super) fn connection_lost(
        &mut self,
        ids: &mut PacketIds,
        closed_by_broker: bool,
        limit: &mut BatchLimit,
    ) {
        if closed_by_broker && let Some((_, first)) = self.under_way.first() {
            self.closes += 1;
            limit.closed(first.len());
        }
        for (id, filters) in self.under_way.drain(..) {
            ids.free(id);
            self.waiting.extend(filters);
        }
        if self.closes >= CLOSES {
            self.closes = 0;
            self.waiting.clear();
        }
    }

    /// The broker has none of them any more.
    pub(super) fn session_lost(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Written;

    fn ask(unwanted: &mut Unwanted, ids: &mut PacketIds, limit: &BatchLimit) -> Vec<usize> {
        let mut out = Written::default();
        while unwanted.send(&mut out, ids, limit, |filter| filter == "wanted").is_some() {}
        let count = |packet: Packet| match packet {
            Packet::Unsubscribe { filters, .. } => filters.len(),
            other => panic!("{other:?}"),
        };
        out.0.into_iter().map(count).collect()
    }

    #[test]
    fn what_was_not_answered_is_given_up_on_the_next_connection() {
        let (mut unwanted, mut ids) = (Unwanted::default(), PacketIds::default());
        let mut limit = BatchLimit::default();
        for filter in ["a", "wanted", "b"] {
            unwanted.add(filter.to_owned());
        }
        assert_eq!(ask(&mut unwanted, &mut ids, &limit), [2]);
        unwanted.connection_lost(&mut ids, false, &mut limit);
        assert_eq!(ids.used(), 0);
        assert_eq!(ask(&mut unwanted, &mut ids, &limit), [2]);
        assert!(unwanted.answered(2) && !unwanted.answered(2));
        assert!(unwanted.is_empty());
    }

    #[test]
    fn a_broker_that_closes_the_connection_for_it_is_asked_for_less_and_then_not_any_more() {
        let (mut unwanted, mut ids) = (Unwanted::default(), PacketIds::default());
        let mut limit = BatchLimit::default();
        for index in 0..4 {
            unwanted.add(index.to_string());
        }
        let mut sizes = Vec::new();
        while !unwanted.is_empty() {
            sizes.push(ask(&mut unwanted, &mut ids, &limit));
            unwanted.connection_lost(&mut ids, true, &mut limit);
        }
        assert_eq!(sizes[..3], [vec![4], vec![2, 2], vec![1, 1, 1, 1]]);
        assert_eq!(sizes.len(), CLOSES as usize);
    }
}
