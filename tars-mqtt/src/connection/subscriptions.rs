use std::collections::HashMap;
use std::time::Duration;

use tars_mqtt_topic::{covers, matches};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::TargetId;
use super::leftover::candidates;
use super::packet_ids::PacketIds;
use crate::router::FilterTree;
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
    filters: HashMap<String, Filter>,
    /// The same in the order in which they were first wanted, in which they are asked for.
    order: Vec<String>,
    /// Filters that the broker is to be asked for.
    wanted: Vec<String>,
    /// Filters that the broker has refused on this connection.
    refused: Vec<String>,
    /// Filters that the program has subscribed to itself, past the session.
    foreign: Vec<String>,
    /// Filters to be given up, which nobody here wants any more.
    unwanted: Vec<String>,
    /// SUBSCRIBE packets under way, with their filters.
    subscribing: Vec<(u16, Vec<String>)>,
    unsubscribing: Vec<u16>,
    /// When the oldest packet under way should have been answered.
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Filter {
    qos: QoS,
    wanted_by: Vec<Subscriber>,
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

/// What came of a SUBSCRIBE.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Refused, and nobody has been told.
    pub(super) refused: Vec<Error>,
    /// Those who have been told that they were refused, and are subscribers no more.
    pub(super) gone: Vec<TargetId>,
}

impl Subscriptions {
    /// Wants a filter. One that is there already is subscribed again, so that what the broker has
    /// retained comes once more, for the new subscriber. Returns whether it is new.
    pub(super) fn add(&mut self, filter: &str, qos: QoS, subscriber: Subscriber) -> bool {
        self.unwanted.retain(|unwanted| unwanted != filter);
        let known = self
            .filters
            .entry(filter.to_owned())
            .or_insert_with(|| Filter { qos, wanted_by: Vec::new() });
        known.qos = known.qos.max(qos);
        known.wanted_by.push(subscriber);
        let is_new = known.wanted_by.len() == 1;
        if is_new {
            self.order.push(filter.to_owned());
        }
        self.wanted.push(filter.to_owned());
        is_new
    }

    /// Wants filters that are known together, and leaves out those that another one covers: some
    /// brokers send a message once for each subscription that it matches.
    pub(super) fn add_all(&mut self, wanted: Vec<(String, QoS, Subscriber)>) {
        let mut tree = FilterTree::default();
        for (index, (filter, ..)) in wanted.iter().enumerate() {
            if !is_shared(filter) {
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
            // One that is known is in the list already, and nothing has gone out yet.
            if !self.add(&widest, qos, subscriber) {
                self.wanted.pop();
            }
        }
    }

    /// A subscriber has gone. Its filter goes with it, unless another one wants it.
    pub(super) fn remove(&mut self, target: TargetId) {
        let unwanted = &mut self.unwanted;
        let refused = &mut self.refused;
        self.filters.retain(|text, filter| {
            let before = filter.wanted_by.len();
            filter.wanted_by.retain(|subscriber| subscriber.target != target);
            let keep = !filter.wanted_by.is_empty();
            if before > 0 && !keep {
                unwanted.push(text.clone());
                refused.retain(|refused| refused != text);
            }
            keep
        });
        self.drop_gone_from_order();
    }

    fn drop_gone_from_order(&mut self) {
        self.order.retain(|filter| self.filters.contains_key(filter));
    }

    /// The program subscribes to these itself, past the session.
    pub(super) fn add_foreign(&mut self, filters: impl Iterator<Item = String>) {
        for filter in filters {
            add_once(&mut self.foreign, filter);
        }
    }

    /// Whether the program has itself subscribed to a topic.
    pub(super) fn is_foreign(&self, topic: &str) -> bool {
        self.foreign.iter().any(|filter| matches(filter, topic))
    }

    /// Gives up the filters by which an earlier version of the service may have left a topic with
    /// the broker. While others are being given up, nothing: most likely they had brought this one
    /// too, and if not, it will come again.
    pub(super) fn drop_leftovers(&mut self, topic: &str) {
        if !self.unwanted.is_empty() || !self.unsubscribing.is_empty() {
            return;
        }
        let is_known =
            |filter: &String| self.filters.contains_key(filter) || self.foreign.contains(filter);
        let candidates = candidates(topic).into_iter();
        self.unwanted.extend(candidates.filter(|candidate| !is_known(candidate)));
    }

    /// Writes what has to be asked of the broker. Goes past every queue and window.
    pub(super) fn send(&mut self, link: &mut Link, ids: &mut PacketIds, now: Instant) {
        while let Some((id, batch)) = self.next_batch(ids) {
            let filters = batch.iter().filter_map(|text| {
                let filter = self.filters.get(text)?;
                Some((text.as_str(), filter.qos))
            });
            link.subscribe(id, filters);
            self.subscribing.push((id, batch));
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

    fn next_batch(&mut self, ids: &mut PacketIds) -> Option<(u16, Vec<String>)> {
        let mut bytes = 0;
        let mut batch: Vec<String> = Vec::new();
        let mut looked_at = 0;
        for next in &mut self.wanted {
            if batch.len() == MAX_FILTERS || !batch.is_empty() && bytes + next.len() > MAX_BYTES {
                break;
            }
            looked_at += 1;
            // It may have been given up, or have been asked for twice.
            if self.filters.contains_key(next) && !batch.contains(next) {
                bytes += next.len();
                batch.push(std::mem::take(next));
            }
        }
        self.wanted.drain(..looked_at);
        if batch.is_empty() {
            return None;
        }
        match ids.take() {
            Some(id) => Some((id, batch)),
            None => {
                self.wanted.extend(batch);
                None
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
        let Some(at) = self.subscribing.iter().position(|(asked, _)| *asked == id) else {
            return Ok(Answer::default());
        };
        let (_, batch) = self.subscribing.swap_remove(at);
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
        for (text, granted) in batch.into_iter().zip(granted) {
            let Some(filter) = self.filters.get_mut(&text) else { continue };
            if granted.is_some() {
                self.refused.retain(|refused| *refused != text);
                filter.granted();
                continue;
            }
            filter.refused(&text, &mut answer);
            if filter.wanted_by.is_empty() {
                self.filters.remove(&text);
            } else {
                add_once(&mut self.refused, text);
            }
        }
        if !answer.gone.is_empty() {
            self.drop_gone_from_order();
        }
        Ok(answer)
    }

    /// UNSUBACK (section 3.11).
    pub(super) fn unsubscribed(&mut self, id: u16, ids: &mut PacketIds) {
        if let Some(at) = self.unsubscribing.iter().position(|asked| *asked == id) {
            self.unsubscribing.swap_remove(at);
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
        self.wanted.is_empty() && self.subscribing.is_empty() && self.refused.is_empty()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The filters of subscribers that end with the process.
    pub(super) fn passing(&self) -> Vec<String> {
        self.filters
            .iter()
            .filter(|(_, filter)| filter.wanted_by.iter().all(|subscriber| subscriber.passing))
            .map(|(text, _)| text.clone())
            .collect()
    }

    /// All filters that are not shared with other clients.
    pub(super) fn plain_filters(&self) -> impl Iterator<Item = &str> {
        self.filters.keys().map(String::as_str).filter(|filter| !is_shared(filter))
    }

    /// What was under way is not answered any more.
    pub(super) fn connection_lost(&mut self, ids: &mut PacketIds) {
        for (id, batch) in self.subscribing.drain(..) {
            ids.free(id);
            self.wanted.extend(batch);
        }
        for id in self.unsubscribing.drain(..) {
            ids.free(id);
        }
        self.wanted.append(&mut self.refused);
        self.deadline = None;
    }

    pub(super) fn session_lost(&mut self) {
        self.wanted.clone_from(&self.order);
        self.unwanted.clear();
    }

    /// Nobody is told any more how a subscription ended.
    pub(super) fn abandon(&mut self) {
        for subscriber in self.filters.values_mut().flat_map(|filter| &mut filter.wanted_by) {
            if let Some(done) = subscriber.done.take() {
                let _ = done.send(Err(Error::Stopped));
            }
        }
    }
}

impl Filter {
    fn granted(&mut self) {
        for subscriber in &mut self.wanted_by {
            if let Some(done) = subscriber.done.take() {
                // Whoever asked may be gone; the subscription is then dropped.
                let _ = done.send(Ok(subscriber.target));
            }
        }
    }

    fn refused(&mut self, text: &str, answer: &mut Answer) {
        self.wanted_by.retain_mut(|subscriber| {
            let error = Error::SubscriptionRefused {
                filter: text.to_owned(),
                subscriber: subscriber.name.clone(),
            };
            match subscriber.done.take() {
                Some(done) => {
                    let _ = done.send(Err(error));
                    answer.gone.push(subscriber.target);
                    false
                }
                None => {
                    answer.refused.push(error);
                    true
                }
            }
        });
    }
}

fn add_once(filters: &mut Vec<String>, filter: String) {
    if !filters.contains(&filter) {
        filters.push(filter);
    }
}

fn is_shared(filter: &str) -> bool {
    filter.starts_with("$share/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(target: usize) -> Subscriber {
        let name = format!("handler {target}");
        Subscriber { target: TargetId(target), name, done: None, passing: false }
    }

    #[test]
    fn a_filter_that_another_one_covers_is_not_subscribed_to() {
        let mut subscriptions = Subscriptions::default();
        let wanted = ["a/b", "a/+", "a/#", "$SYS/#", "c", "c", "$share/g/a/b"];
        let wanted = wanted
            .iter()
            .enumerate()
            .map(|(index, filter)| ((*filter).to_owned(), QoS::AtLeastOnce, subscriber(index)));
        subscriptions.add_all(wanted.collect());
        let expected = ["a/#", "$SYS/#", "c", "$share/g/a/b"];
        assert_eq!(subscriptions.wanted, expected);
        assert_eq!(subscriptions.filters.len(), expected.len());
    }

    #[test]
    fn many_filters_go_out_in_few_packets_and_the_answer_is_counted() {
        let mut subscriptions = Subscriptions::default();
        let mut ids = PacketIds::default();
        for index in 100..230 {
            subscriptions.add(&format!("t/{index}"), QoS::AtLeastOnce, subscriber(index));
        }
        let mut sizes = Vec::new();
        while let Some((id, batch)) = subscriptions.next_batch(&mut ids) {
            sizes.push(batch.len());
            subscriptions.subscribing.push((id, batch));
        }
        assert_eq!(sizes, [64, 64, 2]);
        assert!(subscriptions.answered(3, &[Some(QoS::AtMostOnce)], &mut ids).is_err());
        let answer =
            subscriptions.answered(1, &[None; 64], &mut ids).expect("the number of codes is right");
        assert_eq!(answer.refused.len(), 64);
        assert!(answer.refused[0].to_string().contains("handler 100"));
        assert!(!subscriptions.all_granted());
    }

    #[test]
    fn a_refused_filter_is_asked_for_again_on_the_next_connection() {
        let mut subscriptions = Subscriptions::default();
        let mut ids = PacketIds::default();
        subscriptions.add("t", QoS::AtLeastOnce, subscriber(1));
        let (id, batch) = subscriptions.next_batch(&mut ids).unwrap();
        subscriptions.subscribing.push((id, batch));
        subscriptions.answered(id, &[None], &mut ids).unwrap();
        assert!(subscriptions.next_batch(&mut ids).is_none());
        subscriptions.connection_lost(&mut ids);
        assert!(subscriptions.next_batch(&mut ids).is_some());
    }
}
