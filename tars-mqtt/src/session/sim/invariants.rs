//! What holds at every moment, and what holds in the end.

use std::collections::BTreeMap;
use std::time::Duration;

use tars_mqtt_topic::{covers, matches};
use tokio::time::Instant;

use super::world::{Verdict, World};
use crate::qos::QoS;
use crate::session::ConnectionState;

impl World {
    /// Nothing is acknowledged before all who have to are done with it.
    pub(super) fn look_at_acknowledged(&mut self) -> Verdict {
        self.process.hear_receipts();
        for number in std::mem::take(&mut self.broker.acknowledged) {
            let topic = self.topics.get(&number).copied().unwrap_or_default();
            for (index, handler) in self.process.handlers.iter().enumerate() {
                if handler.qos > QoS::AtMostOnce
                    && matches(handler.filter, topic)
                    && !self.is_done(index, number)
                {
                    return Err(format!(
                        "message {number} on {topic} is acknowledged before handler {} is done \
                         with it",
                        handler.filter
                    ));
                }
            }
            let answer = self.process.published.iter().find(|published| {
                published.answers == Some(number) && published.outcome != Some(false)
            });
            // What comes anew, because the broker has lost the session, has retained it was given it twice,
            // or has sent it again before it had the answer, is another matter.
            if let Some(answer) = answer
                && !self.retained.contains(&number)
                && !self.broker.has_twice(number)
                && !self.broker.has_sent_again
                && !self.broker.lost_session
                && !self.setup.one_for_each
                && self.setup.marks_again
                && !self.broker.accepted.iter().any(|accepted| accepted.number == answer.number)
            {
                return Err(format!(
                    "message {number} is acknowledged before its answer {} is with the broker",
                    answer.number
                ));
            }
        }
        Ok(())
    }

    /// Whoever asked for a shutdown is told whether something was left behind.
    pub(super) fn look_at_end(&mut self, left: usize) -> Verdict {
        let Some((_, stopped)) = &mut self.process.stopping else { return Ok(()) };
        match stopped.try_recv() {
            Ok(told) if told.is_ok() != (left == 0) => {
                Err(format!("a shutdown is told {told:?}, and {left} messages are left"))
            }
            Ok(_) => Ok(()),
            Err(_) => Err("whoever asked for a shutdown is told nothing".to_owned()),
        }
    }

    /// Nobody is told that something is granted before it is, and nothing waits longer than it may.
    pub(super) fn look_at_told(&mut self) -> Verdict {
        if std::mem::take(&mut self.process.start_succeeded) {
            for handler in &self.process.handlers {
                if !self.has_filter(handler.filter) {
                    return Err(format!("a start succeeds before {} is granted", handler.filter));
                }
            }
        }
        for filter in std::mem::take(&mut self.process.granted) {
            // One that was given up and is wanted again may be told by the answer to the first time.
            let is_new = !self.broker.given_up.contains(filter) && !self.broker.lost_session;
            if is_new && !self.has_filter(filter) {
                return Err(format!("{filter} is said to be granted before it is"));
            }
        }
        let is_late = |deadline: Instant| self.now > deadline + Duration::from_millis(100);
        for published in &self.process.published {
            if published.qos > QoS::AtMostOnce
                && published.outcome.is_none()
                && published.deadline.is_some_and(is_late)
                && !self.is_over()
            {
                return Err(format!("message {} waits longer than it may", published.number));
            }
        }
        Ok(())
    }

    fn has_filter(&self, wanted: &str) -> bool {
        self.broker.subscriptions.keys().any(|filter| covers(filter, wanted))
    }

    fn is_done(&self, handler: usize, number: u32) -> bool {
        self.done.contains(&(handler, number)) || self.process.done.contains(&(handler, number))
    }

    /// Never healthy before all is granted, and the window is never exceeded.
    pub(super) fn look_at_state(&mut self) -> Verdict {
        let is_new = self.process.state.has_changed().unwrap_or(false);
        let state = *self.process.state.borrow_and_update();
        if is_new && state == ConnectionState::Connected {
            for handler in &self.process.handlers {
                if !self.has_filter(handler.filter) {
                    return Err(format!(
                        "the session counts as connected before {} is subscribed to",
                        handler.filter
                    ));
                }
            }
        }
        let open = self.broker.open();
        // Health takes no place in the window.
        if open > self.setup.window + 1 && !self.broker.has_withheld {
            return Err(format!("{open} messages are under way, and {} may be", self.setup.window));
        }
        self.process.session.within_window()
    }

    /// QoS 2 messages are handled once in a process, whatever the network does.
    pub(super) fn look_at_runs(&self) -> Verdict {
        for (&(handler, number), &runs) in &self.process.runs {
            let is_exact = self.broker.is_exactly_once(number)
                && !self.retained.contains(&number)
                && !self.setup.one_for_each;
            if is_exact && runs > 1 {
                return Err(format!(
                    "handler {} was given message {number} at QoS 2 {runs} times",
                    self.process.handlers[handler].filter
                ));
            }
        }
        Ok(())
    }

    /// What was accepted is with the broker, once where that is promised, and in order.
    pub(super) fn look_at_published(&self) -> Verdict {
        let published = self.process.published.iter();
        let all = published.map(|published| (published.number, published.qos, published.outcome));
        for (number, qos, outcome) in self.history.iter().copied().chain(all) {
            let count =
                self.broker.accepted.iter().filter(|accepted| accepted.number == number).count();
            let is_promised = qos > QoS::AtMostOnce && !self.broker.rolled_back;
            if outcome == Some(true) && is_promised && count == 0 {
                return Err(format!("the receipt of message {number} says that it was delivered"));
            }
            if qos == QoS::ExactlyOnce && count > 1 && !self.broker.lost_session {
                return Err(format!("message {number} at QoS 2 reached the broker {count} times"));
            }
        }
        if self.setup.sets_aside {
            // What is set aside lets others past.
            return Ok(());
        }
        let mut first = BTreeMap::new();
        for (place, accepted) in self.broker.accepted.iter().enumerate() {
            first.entry(accepted.number).or_insert(place);
        }
        let mut last = 0;
        for published in &self.process.published {
            if published.qos == QoS::AtMostOnce {
                continue;
            }
            let Some(&place) = first.get(&published.number) else { continue };
            if place < last {
                return Err(format!("message {} overtook one before it", published.number));
            }
            last = place;
        }
        Ok(())
    }
}
