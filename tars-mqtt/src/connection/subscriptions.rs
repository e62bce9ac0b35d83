use std::collections::HashMap;
use std::time::Duration;

use tars_mqtt_topic::covers;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::TargetId;
use super::packet_ids::PacketIds;
use crate::transport::Link;
use crate::{Error, QoS, Result};

/// Filters in one SUBSCRIBE at the most, and bytes of them: no broker refuses that much.
const MAX_FILTERS: usize = 64;
const MAX_BYTES: usize = 8 * 1024;

/// After this long without a SUBACK the connection is made anew.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What is subscribed to, and how far the broker has agreed.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    filters: Vec<Filter>,
    /// Filters to be given up, which nobody here wants any more.
    unwanted: Vec<String>,
    /// SUBSCRIBE packets under way, with their filters.
    subscribing: HashMap<u16, Vec<String>>,
    unsubscribing: Vec<u16>,
    /// When the oldest packet under way should have been answered.
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Filter {
    text: String,
    qos: QoS,
    wanted_by: Vec<Subscriber>,
    progress: Progress,
}

/// Who wants a filter.
#[derive(Debug)]
pub(super) struct Subscriber {
    pub(super) target: TargetId,
    /// For people: the handler and where it stands, or the client.
    pub(super) name: String,
    /// Who waits for the broker's answer.
    pub(super) done: Option<oneshot::Sender<Result<TargetId>>>,
    /// Whether it ends with the process, so that the broker need not keep it.
    pub(super) passing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Wanted,
    Sent,
    Granted,
    Refused,
}

/// What came of a SUBSCRIBE.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Refused, and nobody has been told.
    pub(super) refused: Vec<RefusedFilter>,
    /// Those who have been told that they were refused, and are subscribers no more.
    pub(super) gone: Vec<TargetId>,
}

/// A subscription that the broker refused.
#[derive(Debug)]
pub(super) struct RefusedFilter {
    pub(super) filter: String,
    pub(super) subscriber: String,
}

impl RefusedFilter {
    pub(super) fn error(&self) -> Error {
        Error::SubscriptionRefused {
            filter: self.filter.clone(),
            subscriber: self.subscriber.clone(),
        }
    }
}

impl Subscriptions {
    /// Wants a filter. One that is there already is subscribed again, so that what the broker has
    /// retained comes once more, for the new subscriber.
    pub(super) fn add(&mut self, filter: &str, qos: QoS, subscriber: Subscriber) {
        if let Some(known) = self.filters.iter_mut().find(|known| known.text == filter) {
            known.qos = known.qos.max(qos);
            known.wanted_by.push(subscriber);
            known.progress = Progress::Wanted;
            return;
        }
        self.unwanted.retain(|unwanted| unwanted != filter);
        self.filters.push(Filter {
            text: filter.to_owned(),
            qos,
            wanted_by: vec![subscriber],
            progress: Progress::Wanted,
        });
    }

    /// Wants filters that are known together, and leaves out those that another one covers: some
    /// brokers send a message once for each subscription that it matches.
    pub(super) fn add_all(&mut self, wanted: Vec<(String, QoS, Subscriber)>) {
        let filters: Vec<(String, QoS)> =
            wanted.iter().map(|(filter, qos, _)| (filter.clone(), *qos)).collect();
        for (filter, qos, subscriber) in wanted {
            let widest = filters
                .iter()
                .filter(|(wide, _)| {
                    !is_shared(wide) && !is_shared(&filter) && covers(wide, &filter)
                })
                .find(|(wide, _)| !filters.iter().any(|(wider, _)| strictly_covers(wider, wide)))
                .map_or(filter.as_str(), |(wide, _)| wide.as_str());
            self.add(widest, qos, subscriber);
        }
    }

    /// A subscriber has gone. Its filter goes with it, unless another one wants it.
    pub(super) fn remove(&mut self, target: TargetId) {
        for filter in &mut self.filters {
            filter.wanted_by.retain(|subscriber| subscriber.target != target);
        }
        let unwanted = &mut self.unwanted;
        self.filters.retain(|filter| {
            let keep = !filter.wanted_by.is_empty();
            if !keep {
                unwanted.push(filter.text.clone());
            }
            keep
        });
    }

    /// Gives up filters that an earlier version of the service may have left with the broker.
    pub(super) fn drop_leftovers(&mut self, candidates: Vec<String>) {
        for candidate in candidates {
            if !self.filters.iter().any(|filter| filter.text == candidate) {
                self.unwanted.push(candidate);
            }
        }
    }

    /// Writes what has to be asked of the broker. Goes past every queue and window.
    pub(super) fn send(&mut self, link: &mut Link, ids: &mut PacketIds, now: Instant) {
        while let Some(id) = self.next_batch(ids) {
            let batch = self.subscribing.get(&id);
            let filters = batch.into_iter().flatten().filter_map(|wanted| {
                let known = self.filters.iter().find(|known| known.text == *wanted)?;
                Some((known.text.as_str(), known.qos))
            });
            link.subscribe(id, filters);
            self.deadline.get_or_insert(now + ANSWER_TIMEOUT);
        }
        while !self.unwanted.is_empty()
            && let Some(id) = ids.take()
        {
            let count = self.unwanted.len().min(MAX_FILTERS);
            link.unsubscribe(id, self.unwanted.drain(..count).collect());
            self.unsubscribing.push(id);
            self.deadline.get_or_insert(now + ANSWER_TIMEOUT);
        }
    }

    fn next_batch(&mut self, ids: &mut PacketIds) -> Option<u16> {
        let mut bytes = 0;
        let mut batch = Vec::new();
        for filter in &mut self.filters {
            let fits = batch.is_empty()
                || (batch.len() < MAX_FILTERS && bytes + filter.text.len() <= MAX_BYTES);
            if filter.progress == Progress::Wanted && fits {
                bytes += filter.text.len();
                filter.progress = Progress::Sent;
                batch.push(filter.text.clone());
            }
        }
        if batch.is_empty() {
            return None;
        }
        match ids.take() {
            Some(id) => {
                self.subscribing.insert(id, batch);
                Some(id)
            }
            None => {
                self.forget_sent();
                None
            }
        }
    }

    fn forget_sent(&mut self) {
        for filter in &mut self.filters {
            if filter.progress == Progress::Sent {
                filter.progress = Progress::Wanted;
            }
        }
    }

    /// SUBACK (section 3.9).
    pub(super) fn answered(
        &mut self,
        id: u16,
        granted: &[Option<QoS>],
        ids: &mut PacketIds,
    ) -> Result<Answer, String> {
        let Some(batch) = self.subscribing.remove(&id) else { return Ok(Answer::default()) };
        ids.free(id);
        self.settle_deadline();
        if batch.len() != granted.len() {
            return Err(format!(
                "a SUBACK with {} return codes for {} filters",
                granted.len(),
                batch.len()
            ));
        }
        let mut answer = Answer::default();
        for (filter, granted) in batch.iter().zip(granted) {
            let known = self.filters.iter_mut().find(|known| known.text == *filter);
            let Some(known) = known.filter(|known| known.progress == Progress::Sent) else {
                continue;
            };
            match granted {
                Some(_) => {
                    known.progress = Progress::Granted;
                    for subscriber in &mut known.wanted_by {
                        if let Some(done) = subscriber.done.take() {
                            // Whoever asked may be gone; the subscription is then dropped.
                            let _ = done.send(Ok(subscriber.target));
                        }
                    }
                }
                None => {
                    known.progress = Progress::Refused;
                    known.refuse(&mut answer);
                }
            }
        }
        self.filters.retain(|filter| !filter.wanted_by.is_empty());
        Ok(answer)
    }

    /// UNSUBACK.
    pub(super) fn unsubscribed(&mut self, id: u16, ids: &mut PacketIds) {
        if let Some(index) = self.unsubscribing.iter().position(|&waiting| waiting == id) {
            self.unsubscribing.swap_remove(index);
            ids.free(id);
            self.settle_deadline();
        }
    }

    fn settle_deadline(&mut self) {
        if self.subscribing.is_empty() && self.unsubscribing.is_empty() {
            self.deadline = None;
        }
    }

    /// Whether the broker has agreed to all.
    pub(super) fn all_granted(&self) -> bool {
        self.filters.iter().all(|filter| filter.progress == Progress::Granted)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The filters of subscribers that end with the process.
    pub(super) fn passing(&self) -> Vec<String> {
        let passing = |filter: &&Filter| filter.wanted_by.iter().all(|wants| wants.passing);
        self.filters.iter().filter(passing).map(|filter| filter.text.clone()).collect()
    }

    /// All filters that are not shared with other clients.
    pub(super) fn plain_filters(&self) -> impl Iterator<Item = &str> {
        self.filters.iter().map(|filter| filter.text.as_str()).filter(|filter| !is_shared(filter))
    }

    /// What was under way is not answered any more.
    pub(super) fn connection_lost(&mut self, ids: &mut PacketIds) {
        for id in self.subscribing.drain().map(|(id, _)| id).chain(self.unsubscribing.drain(..)) {
            ids.free(id);
        }
        self.deadline = None;
        for filter in &mut self.filters {
            if filter.progress != Progress::Granted {
                filter.progress = Progress::Wanted;
            }
        }
    }

    pub(super) fn session_lost(&mut self) {
        for filter in &mut self.filters {
            filter.progress = Progress::Wanted;
        }
        self.unwanted.clear();
    }

    /// Nobody is told any more how a subscription ended.
    pub(super) fn abandon(&mut self) {
        for subscriber in self.filters.iter_mut().flat_map(|filter| &mut filter.wanted_by) {
            if let Some(done) = subscriber.done.take() {
                let _ = done.send(Err(Error::Stopped));
            }
        }
    }
}

impl Filter {
    fn refuse(&mut self, answer: &mut Answer) {
        let filter = &self.text;
        self.wanted_by.retain_mut(|subscriber| {
            let refused =
                RefusedFilter { filter: filter.clone(), subscriber: subscriber.name.clone() };
            match subscriber.done.take() {
                Some(done) => {
                    let _ = done.send(Err(refused.error()));
                    answer.gone.push(subscriber.target);
                    false
                }
                None => {
                    answer.refused.push(refused);
                    true
                }
            }
        });
    }
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

fn strictly_covers(wide: &str, narrow: &str) -> bool {
    !is_shared(wide) && wide != narrow && covers(wide, narrow) && !covers(narrow, wide)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(target: usize) -> Subscriber {
        Subscriber {
            target: TargetId(target),
            name: format!("handler {target}"),
            done: None,
            passing: false,
        }
    }

    #[test]
    fn a_filter_that_another_one_covers_is_not_subscribed_to() {
        let mut subscriptions = Subscriptions::default();
        let wanted = ["a/b", "a/+", "a/#", "$SYS/#", "c", "c", "$share/g/a/b"];
        subscriptions.add_all(
            wanted
                .iter()
                .enumerate()
                .map(|(index, filter)| ((*filter).to_owned(), QoS::AtLeastOnce, subscriber(index)))
                .collect(),
        );
        let filters: Vec<&str> =
            subscriptions.filters.iter().map(|filter| filter.text.as_str()).collect();
        assert_eq!(filters, ["a/#", "$SYS/#", "c", "$share/g/a/b"]);
    }

    #[test]
    fn many_filters_go_out_in_few_packets_and_the_answer_is_counted() {
        let mut subscriptions = Subscriptions::default();
        let mut ids = PacketIds::default();
        for index in 0..130 {
            subscriptions.add(&format!("t/{index}"), QoS::AtLeastOnce, subscriber(index));
        }
        let mut sizes = Vec::new();
        while let Some(id) = subscriptions.next_batch(&mut ids) {
            sizes.push(subscriptions.subscribing[&id].len());
        }
        assert_eq!(sizes, [64, 64, 2]);
        assert!(subscriptions.answered(3, &[Some(QoS::AtMostOnce)], &mut ids).is_err());
        let refused =
            subscriptions.answered(1, &[None; 64], &mut ids).expect("the number of codes is right");
        assert_eq!(refused.refused.len(), 64);
        assert_eq!(refused.refused[0].subscriber, "handler 0");
        assert!(!subscriptions.all_granted());
    }
}
