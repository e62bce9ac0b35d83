//! What must be so once nothing disturbs any more.

use std::time::Duration;

use super::footprint::Footprint;
use super::step::{Dialed, Outcome, Step};
use super::world::World;
use crate::qos::QoS;
use crate::session::{ConnectionState, Wants};

/// How long it may take, in the time of the simulation, until everything is handled.
const LIMIT: Duration = Duration::from_secs(600);

/// How long somebody waits for an answer that cannot come.
const REQUEST: Duration = Duration::from_secs(30);

type Verdict = Result<(), String>;

impl World {
    /// Nothing is disturbed any more: everything must come to a good end within bounded time.
    pub(super) fn settle(&mut self) -> Verdict {
        self.broker.refused.clear();
        self.broker.withhold(false);
        self.unblock();
        if self.process.stopping.is_some() || self.process.is_quiesced || self.is_over() {
            self.ends()?;
            self.look_at_runs()?;
            self.look_at_published()?;
            self.replace();
        }
        self.comes_to_rest()?;
        self.look_at_runs()?;
        self.look_at_published()?;
        if let Some(number) = self.broker.owed.first() {
            return Err(format!("message {number} was never acknowledged"));
        }
        self.everything_was_handled()?;
        self.look_at_footprint()?;
        self.nothing_is_held()?;
        while !self.process.streams.is_empty() {
            self.process.drop_subscription(0);
        }
        self.comes_to_rest()?;
        self.look_at_footprint()?;
        if self.process.session.streams() > 0 {
            return Err("something is left of streams that are gone".to_owned());
        }
        self.only_handlers_subscribe()?;
        self.shut_down(Duration::from_secs(5));
        self.ends()?;
        self.look_at_published()?;
        if self.broker.said_goodbye { Ok(()) } else { Err("no goodbye was said".to_owned()) }
    }

    /// All who wait do what they can.
    fn everybody_acts(&mut self) -> Result<bool, String> {
        let mut acted = false;
        if self.process.session.wants() == Wants::Dial {
            self.dial(Dialed::Ok);
            acted = true;
        }
        self.go_on()?;
        let before = (self.broker.received, self.broker.to_client.len());
        self.broker_reads(usize::MAX)?;
        self.session_reads(usize::MAX);
        acted |= before != (self.broker.received, self.broker.to_client.len());
        self.go_on()?;
        for handler in 0..self.process.handlers.len() {
            acted |= self.process.take(handler);
        }
        for running in (0..self.process.is_handling()).rev() {
            acted |= self.finish(running, Outcome::Done);
        }
        for stream in 0..self.process.streams.len() {
            acted |= self.process.next(stream);
        }
        self.go_on()?;
        Ok(acted || self.has_traffic())
    }

    fn comes_to_rest(&mut self) -> Verdict {
        let begin = self.elapsed();
        for _ in 0..20_000 {
            if self.is_over() && self.process.start_failed {
                // What was refused at the start ends the program, which somebody starts again.
                self.replace();
            }
            if self.everybody_acts()? {
                continue;
            }
            if self.is_at_rest() {
                return Ok(());
            }
            if self.elapsed() > begin + LIMIT {
                break;
            }
            let may_be_lost = self.broker.lost_session || self.process.asks_at_qos_0();
            if may_be_lost && self.elapsed() > begin + REQUEST {
                // What was asked went with the session, or was dropped by a full queue.
                self.process.drop_asks();
            }
            self.pass_to_timer()?;
        }
        Err(format!(
            "it does not come to rest within {LIMIT:?}: {}, {} at the broker, the state is {}, {}",
            self.process.waits(),
            self.broker.describe(),
            *self.process.state.borrow(),
            self.process.session.footprint(),
        ))
    }

    fn is_at_rest(&self) -> bool {
        *self.process.state.borrow() == ConnectionState::Connected
            && self.process.is_idle(self.setup.ignores_bad)
            && self.broker.is_idle()
            && self.footprint().is_empty(self.left())
    }

    fn footprint(&self) -> Footprint {
        let mut footprint = self.process.session.footprint();
        if self.broker.has_sent_again || self.broker.rolled_back {
            // What has crossed with its answer is answered twice, and released once; what the broker has
            // forgotten it does not release.
            footprint.received = 0;
        }
        footprint
    }

    /// How many messages stay under way because the broker ignores them.
    fn left(&self) -> usize {
        if self.setup.ignores_bad { self.process.ignored() } else { 0 }
    }

    /// The shutdown that was asked for ends in time.
    fn ends(&mut self) -> Verdict {
        if self.process.stopping.is_none() && !self.is_over() {
            self.shut_down(Duration::from_secs(5));
        }
        for _ in 0..20_000 {
            if self.is_over() {
                return Ok(());
            }
            if let Some((deadline, _)) = &self.process.stopping
                && self.now > *deadline + Duration::from_millis(100)
            {
                break;
            }
            if !self.everybody_acts()? && !self.is_over() {
                self.pass_to_timer()?;
            }
        }
        Err(format!("the shutdown does not end in time: {}", self.process.session.footprint()))
    }

    /// After a message at QoS 2 the broker holds none that nobody would release any more.
    fn nothing_is_held(&mut self) -> Verdict {
        if self.setup.ignores_bad {
            // What it ignores at QoS 2 keeps a place, which may be the only one.
            return Ok(());
        }
        self.step(Step::Publish { topic: 0, qos: QoS::ExactlyOnce })?;
        self.comes_to_rest()?;
        match self.broker.held.first_key_value() {
            Some((id, number)) => Err(format!(
                "message {number} stays with the broker under the identifier {id}, and takes a place"
            )),
            None => Ok(()),
        }
    }

    /// Every message that the broker has sent at QoS 1 or 2 was handled to its end.
    fn everything_was_handled(&self) -> Verdict {
        for published in &self.process.published {
            if published.qos > QoS::AtMostOnce
                && published.outcome != Some(true)
                && !published.is_bad
                && !self.setup.publish_timeout
                // Five connections may have broken while it was what the broker had to answer.
                && !self.setup.sets_aside
            {
                return Err(format!("message {} was accepted and given up", published.number));
            }
        }
        Ok(())
    }

    /// The broker has the filters of the handlers, and no others.
    fn only_handlers_subscribe(&self) -> Verdict {
        for filter in self.broker.subscriptions.keys() {
            if !self.process.handlers.iter().any(|handler| handler.filter == filter)
                && !self.broker.has_foreign
            {
                return Err(format!("{filter} is subscribed to, and nobody wants it any more"));
            }
        }
        Ok(())
    }

    fn look_at_footprint(&self) -> Verdict {
        let footprint = self.footprint();
        if footprint.is_empty(self.left()) {
            Ok(())
        } else {
            Err(format!("something is left when all is done: {footprint}"))
        }
    }
}
