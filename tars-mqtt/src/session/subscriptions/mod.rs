//! What is subscribed to, and how far the broker has agreed.

mod accused;
mod batch;
mod filter;
mod leftover;
#[cfg(test)]
mod tests;
mod unwanted;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use batch::BatchLimit;
use filter::Filter;
pub(super) use filter::{Answer, Lowered, Subscriber};
use leftover::candidates;
use tars_mqtt_topic::{covers, matches};
use tokio::time::Instant;
use unwanted::Unwanted;

use super::TargetId;
use super::packet_ids::PacketIds;
use crate::error::{Error, Result};
use crate::qos::QoS;
use crate::router::FilterTree;
use crate::wire::{Packet, PacketSink, Reason};

/// After this long without a SUBACK the connection is made anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Groups whose leftovers are given up too.
const MAX_GROUPS: usize = 4;

/// What is subscribed to, and how far the broker has agreed.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    filters: HashMap<String, Filter>,
    /// Numbers filters in the order in which they were first wanted, in which they are asked for.
    next_order: u64,
    /// Filters that the broker is to be asked for; those that are not `queued` are passed over.
    wanted: VecDeque<String>,
    /// How many of those are queued.
    queued: usize,
    /// Filters that the broker has refused on this connection.
    refused: BTreeSet<String>,
    /// Filters that may be what the broker closes connections for, left out on this one.
    suspects: BTreeSet<String>,
    /// When the connection will have lasted without them.
    settled_at: Option<Instant>,
    /// When one that was refused is asked for again, or an earlier time.
    retry_at: Option<Instant>,
    /// Filters that the program has subscribed to itself, past the session.
    external: Vec<String>,
    unwanted: Unwanted,
    /// SUBSCRIBE packets under way, with their filters, in the order in which they went out.
    subscribing: VecDeque<(u16, Vec<String>)>,
    /// When each packet under way should be answered, in the order in which they went out.
    due: VecDeque<(u16, Instant)>,
    batch: BatchLimit,
}

impl Subscriptions {
    /// Wants a filter. One that is there already is subscribed again, so that what the broker has
    /// retained comes once more, for the new subscriber. Returns whether it is new.
    pub(super) fn add(&mut self, filter: &str, qos: QoS, subscriber: Subscriber) -> bool {
        let order = self.next_order;
        let known = self.filters.entry(filter.to_owned()).or_insert_with(|| Filter {
            qos,
            order,
            wanted_by: Vec::new(),
            queued: false,
            asked: false,
            closes: 0,
            retry_at: None,
            refusals: 0,
            closes_connection: false,
        });
        self.next_order += u64::from(known.order == order);
        known.qos = known.qos.max(qos);
        known.wanted_by.push(subscriber);
        let is_new = known.wanted_by.len() == 1;
        self.enqueue(filter);
        is_new
    }

    fn enqueue(&mut self, filter: &str) {
        if let Some(known) = self.filters.get_mut(filter)
            && !std::mem::replace(&mut known.queued, true)
        {
            self.queued += 1;
            self.wanted.push_back(filter.to_owned());
        }
        // Filters that came and went while nobody could be asked.
        if self.wanted.len() > 2 * self.queued + 64 {
            let filters = &self.filters;
            self.wanted.retain(|text| filters.get(text).is_some_and(|filter| filter.queued));
        }
    }

    /// Wants filters that are known together, and leaves out those that another one covers: some
    /// brokers send a message once for each subscription that it matches.
    pub(super) fn add_all(&mut self, wanted: Vec<(String, QoS, Subscriber)>) {
        let mut tree = FilterTree::default();
        let mut seen = HashSet::new();
        for (index, (filter, ..)) in wanted.iter().enumerate() {
            if !is_shared(filter) && seen.insert(filter.as_str()) {
                tree.insert(filter, index);
            }
        }
        let mut found = Vec::new();
        let widest: Vec<String> = wanted
            .iter()
            .map(|(filter, ..)| {
                found.clear();
                if !is_shared(filter) {
                    tree.find_covering(filter, &mut found);
                }
                let covering = found.iter().map(|&index| wanted[index].0.as_str());
                covering.fold(
                    filter.as_str(),
                    |widest, wide| {
                        if covers(wide, widest) { wide } else { widest }
                    },
                )
            })
            .map(str::to_owned)
            .collect();
        for ((_, qos, subscriber), widest) in wanted.into_iter().zip(widest) {
            self.add(&widest, qos, subscriber);
        }
    }

    /// A subscriber has gone. Its filter goes with it, unless another one wants it: returns whether
    /// it does.
    pub(super) fn remove(&mut self, text: &str, target: TargetId) -> bool {
        let Some(filter) = self.filters.get_mut(text) else { return false };
        filter.wanted_by.retain(|subscriber| subscriber.target != target);
        if !filter.wanted_by.is_empty() {
            return false;
        }
        if filter.asked {
            self.unwanted.add(text.to_owned());
        }
        self.forget(text);
        true
    }

    fn forget(&mut self, text: &str) {
        if let Some(filter) = self.filters.remove(text) {
            self.queued -= usize::from(filter.queued);
        }
        self.refused.remove(text);
        self.suspects.remove(text);
        if self.filters.capacity() > 4 * self.filters.len() + 64 {
            self.filters.shrink_to(2 * self.filters.len());
        }
    }

    /// The program subscribes to these itself, past the session.
    pub(super) fn add_external<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        for filter in filters {
            if !self.external.iter().any(|known| known == filter) {
                self.external.push(filter.to_owned());
            }
        }
    }

    /// The program has itself given these up.
    pub(super) fn remove_external(&mut self, filters: &[String]) {
        self.external.retain(|filter| !filters.contains(filter));
    }

    /// Whether the program has itself subscribed to a topic.
    pub(super) fn is_external(&self, topic: &str) -> bool {
        self.external.iter().any(|filter| matches(filter, topic))
    }

    /// Whether filters are being given up.
    pub(super) fn is_unsubscribing(&self) -> bool {
        !self.unwanted.is_empty()
    }

    /// Gives up the filters by which an earlier version of the service may have left a topic with
    /// the broker. Not while others are being given up: most likely they had brought this one too, and
    /// if not, it will come again.
    pub(super) fn drop_leftovers(&mut self, topic: &str) {
        let plain = candidates(topic);
        let mut groups: Vec<&str> = Vec::new();
        for group in self.filters.keys().filter_map(|filter| group(filter)) {
            if groups.len() < MAX_GROUPS && !groups.contains(&group) {
                groups.push(group);
            }
        }
        let shared: Vec<String> = groups
            .iter()
            .flat_map(|group| plain.iter().map(move |filter| format!("$share/{group}/{filter}")))
            .collect();
        for candidate in plain.into_iter().chain(shared) {
            if !self.filters.contains_key(&candidate) && !self.external.contains(&candidate) {
                self.unwanted.add(candidate);
            }
        }
    }

    /// Writes what has to be asked of the broker. Goes past every queue and window. Returns
    /// the filters in SUBSCRIBE packets that are not shared.
    pub(super) fn send(
        &mut self,
        out: &mut impl PacketSink,
        ids: &mut PacketIds,
        now: Instant,
    ) -> Vec<String> {
        let mut subscribed = Vec::new();
        while let Some((id, batch)) = self.next_batch(ids) {
            let filters = batch.iter().filter_map(|text| {
                let filter = self.filters.get(text)?;
                Some((text.clone(), filter.qos))
            });
            out.send(Packet::Subscribe { id, filters: filters.collect() });
            subscribed.extend(batch.iter().filter(|filter| !is_shared(filter)).cloned());
            self.subscribing.push_back((id, batch));
            self.due.push_back((id, now + ANSWER_TIMEOUT));
        }
        let filters = &self.filters;
        let is_wanted = |text: &str| filters.contains_key(text);
        while let Some(id) = self.unwanted.send(out, ids, &self.batch, is_wanted) {
            self.due.push_back((id, now + ANSWER_TIMEOUT));
        }
        subscribed
    }

    fn next_batch(&mut self, ids: &mut PacketIds) -> Option<(u16, Vec<String>)> {
        let filters = &mut self.filters;
        let batch = self.batch.take(&mut self.wanted, |text| {
            filters.get_mut(text).is_some_and(|filter| {
                filter.asked |= filter.queued;
                std::mem::replace(&mut filter.queued, false)
            })
        });
        if batch.is_empty() {
            return None;
        }
        self.queued -= batch.len();
        if let Some(id) = ids.take() {
            return Some((id, batch));
        }
        for text in batch {
            self.enqueue(&text);
        }
        None
    }

    /// SUBACK (section 3.9).
    pub(super) fn answered(
        &mut self,
        id: u16,
        granted: &[Result<QoS, Reason>],
        ids: &mut PacketIds,
        now: Instant,
    ) -> Result<Answer, String> {
        let Some(at) = self.subscribing.iter().position(|(asked, _)| *asked == id) else {
            return Ok(Answer::default());
        };
        let Some((_, batch)) = self.subscribing.remove(at) else { return Ok(Answer::default()) };
        ids.free(id);
        self.due.retain(|(asked, _)| *asked != id);
        if batch.len() != granted.len() {
            return Err(format!(
                "a SUBACK with {} return codes for {} filters",
                granted.len(),
                batch.len()
            ));
        }
        let mut answer = Answer::default();
        for (text, granted) in batch.into_iter().zip(granted) {
            // One that nobody wants any more is given up, whatever the answer is.
            let Some(filter) = self.filters.get_mut(&text) else { continue };
            let Ok(granted) = *granted else {
                self.refuse(text, false, &mut answer, now);
                continue;
            };
            self.refused.remove(&text);
            self.suspects.remove(&text);
            filter.granted(&text, granted, &mut answer);
        }
        Ok(answer)
    }

    /// UNSUBACK (section 3.11).
    pub(super) fn unsubscribed(&mut self, id: u16, ids: &mut PacketIds) {
        if self.unwanted.answered(id) {
            ids.free(id);
            self.due.retain(|(asked, _)| *asked != id);
        }
    }

    /// What is asked for, without its names.
    #[cfg(test)]
    pub(super) fn sketch(&self) -> impl std::hash::Hash + use<> {
        let few = |count: usize| count.min(2);
        (
            [few(self.queued), few(self.subscribing.len()), few(self.refused.len())],
            [few(self.suspects.len()), few(self.filters.len())],
            (self.unwanted.is_empty(), self.settled_at.is_some()),
        )
    }

    /// Whether the broker has agreed to all.
    pub(super) fn all_granted(&self) -> bool {
        let is_asked = self.queued == 0 && self.subscribing.is_empty();
        is_asked && self.refused.is_empty() && self.suspects.is_empty()
    }

    /// Whether the broker has refused something.
    pub(super) fn has_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// When the oldest packet under way should have been answered.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.front().map(|(_, deadline)| *deadline)
    }

    /// The filters of subscribers that end with the process, a packet at a time.
    pub(super) fn ephemeral(&self) -> Vec<Vec<String>> {
        let mut ephemeral: Vec<(u64, &String)> = self
            .filters
            .iter()
            .filter(|(_, filter)| filter.asked)
            .filter(|(_, filter)| filter.wanted_by.iter().all(|subscriber| subscriber.ephemeral))
            .map(|(text, filter)| (filter.order, text))
            .collect();
        ephemeral.sort_unstable();
        let mut all: VecDeque<String> =
            ephemeral.into_iter().map(|(_, text)| text.clone()).collect();
        let mut batches = Vec::new();
        while !all.is_empty() {
            batches.push(self.batch.take(&mut all, |_| true));
        }
        batches
    }

    /// All filters that are not shared with other clients.
    pub(super) fn plain_filters(&self) -> impl Iterator<Item = &str> {
        self.filters.keys().map(String::as_str).filter(|filter| !is_shared(filter))
    }

    /// What was under way is not answered any more. Where the broker closed the connection instead
    /// of answering, that may have been its answer.
    pub(super) fn connection_lost(
        &mut self,
        ids: &mut PacketIds,
        closed_by_broker: bool,
        now: Instant,
    ) {
        // It broke without them too.
        self.settled_at = None;
        for text in std::mem::take(&mut self.suspects) {
            self.enqueue(&text);
        }
        let unanswered: Vec<_> = self.subscribing.drain(..).collect();
        if closed_by_broker && let Some((_, first)) = unanswered.first() {
            let was_single = self.batch.closed(first.len());
            if was_single && let [text] = &first[..] {
                self.suspect(text.clone());
            }
        }
        for (id, batch) in unanswered {
            ids.free(id);
            for text in batch {
                if !self.suspects.contains(&text) {
                    self.enqueue(&text);
                }
            }
        }
        self.unwanted.connection_lost(ids, closed_by_broker, &mut self.batch);
        self.retry_on_next(now);
        self.due.clear();
    }

    /// The broker has none of the filters any more.
    pub(super) fn session_lost(&mut self) {
        for filter in self.filters.values_mut() {
            filter.asked = false;
        }
        self.unwanted.session_lost();
        self.ask_again();
    }

    /// Asks for all filters, in the order in which they were first wanted.
    pub(super) fn ask_again(&mut self) {
        for filter in self.filters.values_mut() {
            filter.queued = false;
        }
        let (refused, suspects) = (&self.refused, &self.suspects);
        let mut all: Vec<(u64, &String)> = self
            .filters
            .iter()
            .filter(|(text, _)| !refused.contains(*text) && !suspects.contains(*text))
            .map(|(text, filter)| (filter.order, text))
            .collect();
        all.sort_unstable();
        self.wanted = all.into_iter().map(|(_, text)| text.clone()).collect();
        self.queued = self.wanted.len();
        for text in &self.wanted {
            if let Some(filter) = self.filters.get_mut(text) {
                filter.queued = true;
            }
        }
    }

    /// Nobody is told any more how a subscription ended.
    pub(super) fn abandon(&mut self) {
        for subscriber in self.filters.values_mut().flat_map(|filter| &mut filter.wanted_by) {
            if let Some(done) = subscriber.done.take() {
                // Whoever asked may have given up.
                let _ = done.send(Err(Error::Stopped));
            }
        }
    }
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

/// The group of a shared subscription.
fn group(filter: &str) -> Option<&str> {
    filter.strip_prefix("$share/")?.split('/').next()
}
