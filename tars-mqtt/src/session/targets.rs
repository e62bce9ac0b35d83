use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::TargetId;
use crate::delivery::{Job, Queue, Ticket, Wake};
use crate::log::LogLimit;
use crate::message::Message;
use crate::qos::QoS;
use crate::router::Router;

/// How long reading waits for a full queue, before it looks whether its handler keeps up. On a busy
/// machine a handler's thread may not run for some tens of milliseconds, through no fault of its own.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often it looks before a handler counts as slow that has done nothing at all: rather than being
/// slow, its thread has not run.
const IDLE_LOOKS: u8 = 5;

/// Messages that a handler must take from its full queue meanwhile, in order not to count as slow.
const PROGRESS: usize = 64;

/// All that messages are handed to: handlers and subscriptions of the client.
#[derive(Debug)]
pub(super) struct Targets {
    all: Vec<Option<Target>>,
    /// Places in `all` that are empty.
    free: Vec<usize>,
    /// Streams of the client, by the number that the client gave them.
    streams: HashMap<u64, usize>,
    router: Router,
    wake: Arc<Wake>,
    /// Those with messages that have not been put into their queue.
    staged: Vec<usize>,
    /// Those whose queue is full while they keep up otherwise. Reading waits for them, shortly.
    full: Vec<usize>,
    full_since: Option<Instant>,
    found: Vec<usize>,
}

#[derive(Debug)]
struct Target {
    name: String,
    filter: String,
    queue: Arc<Queue>,
    workers: usize,
    /// Whether a message counts as done as soon as it is here.
    done_on_receive: bool,
    qos: QoS,
    stream: Option<u64>,
    gets_all: bool,
    staged: Vec<Job>,
    /// Messages that certainly still fit.
    room: usize,
    /// It did not keep up when reading waited for it; now messages are dropped.
    slow: bool,
    /// Messages that waited when reading began to wait.
    waiting: usize,
    /// Messages that waited or were being handled when it was last looked, and how often they were as
    /// many as before.
    load: usize,
    idle_looks: u8,
    drops: LogLimit,
}

/// What is handed messages that match a filter.
#[derive(Debug)]
pub(crate) struct NewTarget {
    /// For people.
    pub(crate) name: String,
    /// The filter that is matched, without `$share`.
    pub(crate) filter: String,
    pub(crate) queue: Arc<Queue>,
    /// Tasks that take from the queue.
    pub(crate) workers: usize,
    pub(crate) done_on_receive: bool,
    /// What it asks for. A message that comes at a higher one, because of another's subscription, is
    /// handed on as one that nobody waits for where this is QoS 0.
    pub(crate) qos: QoS,
    /// The number that a client has given to its stream; `None` for a handler.
    pub(crate) stream: Option<u64>,
    /// Whether it gets all messages that match, and not only its share of them.
    pub(crate) gets_all: bool,
}

/// What came of handing a message on.
#[derive(Debug)]
pub(super) enum Handed {
    /// Nobody takes it.
    Unhandled(Message),
    /// It is done with when the ticket is; at once if there is none.
    On(Option<Arc<Ticket>>),
    /// There are handlers for it, which take no more.
    Left,
}

/// Whether messages are shared with other clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    Not,
    WithOthers,
}

impl Targets {
    pub(super) fn new(wake: Arc<Wake>) -> Self {
        Self {
            all: Vec::new(),
            free: Vec::new(),
            streams: HashMap::new(),
            router: Router::default(),
            wake,
            staged: Vec::new(),
            full: Vec::new(),
            full_since: None,
            found: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, target: NewTarget) -> TargetId {
        let index = self.free.pop().unwrap_or(self.all.len());
        self.router.insert(&target.filter, index);
        if let Some(stream) = target.stream {
            self.streams.insert(stream, index);
        }
        let target = Target {
            name: target.name,
            filter: target.filter,
            room: target.queue.capacity(),
            queue: target.queue,
            workers: target.workers,
            done_on_receive: target.done_on_receive,
            qos: target.qos,
            stream: target.stream,
            gets_all: target.gets_all,
            staged: Vec::new(),
            slow: false,
            waiting: 0,
            load: 0,
            idle_looks: 0,
            drops: LogLimit::default(),
        };
        match self.all.get_mut(index) {
            Some(place) => *place = Some(target),
            None => self.all.push(Some(target)),
        }
        TargetId(index)
    }

    /// The one that belongs to a client's stream.
    pub(super) fn of_stream(&self, stream: u64) -> Option<TargetId> {
        self.streams.get(&stream).copied().map(TargetId)
    }

    /// Returns the filter of the one that was removed.
    pub(super) fn remove(&mut self, TargetId(index): TargetId, now: Instant) -> Option<String> {
        self.flush(now);
        let target = self.all.get_mut(index).and_then(Option::take)?;
        self.router.remove(&target.filter, index);
        target.queue.clear();
        self.full.retain(|&full| full != index);
        if self.full.is_empty() {
            self.full_since = None;
        }
        self.free.push(index);
        if let Some(stream) = target.stream {
            self.streams.remove(&stream);
        }
        if self.streams.capacity() > 4 * self.streams.len() + 64 {
            self.streams.shrink_to(2 * self.streams.len());
        }
        Some(target.filter)
    }

    /// Lays a message out for all that match it, or for the client's streams alone. `tracked` says
    /// that somebody waits until it is done with.
    pub(super) fn hand_on(
        &mut self,
        message: Message,
        tracked: bool,
        streams_alone: bool,
    ) -> Handed {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        self.router.find(message.topic(), &mut found);
        let all = found.len();
        if streams_alone {
            found.retain(|&index| {
                self.all[index].as_ref().is_some_and(|target| target.stream.is_some())
            });
        }
        let is_left = streams_alone && (found.len() < all || found.is_empty());
        let handed = self.hand_to(&found, message, tracked && !is_left);
        self.found = found;
        if is_left { Handed::Left } else { handed }
    }

    fn hand_to(&mut self, found: &[usize], message: Message, tracked: bool) -> Handed {
        let Some((&last, others)) = found.split_last() else { return Handed::Unhandled(message) };
        let opened = tracked.then(|| Ticket::open(&self.wake));
        let ticket = opened.as_ref().map(|hold| hold.ticket().clone());
        for &index in others {
            self.stage(index, message.clone(), ticket.as_ref());
        }
        self.stage(last, message, ticket.as_ref());
        if let Some(opened) = opened {
            opened.release();
        }
        Handed::On(ticket)
    }

    fn stage(&mut self, index: usize, message: Message, ticket: Option<&Arc<Ticket>>) {
        let Some(target) = self.all.get_mut(index).and_then(Option::as_mut) else { return };
        if target.staged.is_empty() {
            self.staged.push(index);
        }
        target.room = target.room.saturating_sub(1);
        let is_above = message.qos > QoS::AtMostOnce && target.qos == QoS::AtMostOnce;
        let is_done = target.done_on_receive || is_above || target.queue.is_unread();
        let hold = ticket.filter(|_| !is_done).map(Ticket::hold);
        let is_droppable = message.qos == QoS::AtMostOnce || hold.is_none();
        if target.room == 0 && !target.slow && is_droppable {
            target.waiting = usize::MAX;
            self.full.push(index);
        }
        target.staged.push(Job { message, hold });
    }

    /// Puts what was laid out into the queues.
    pub(super) fn flush(&mut self, now: Instant) {
        for index in self.staged.drain(..) {
            let Some(target) = self.all[index].as_mut() else { continue };
            let level = target.queue.put(&mut target.staged, target.workers);
            target.room = target.queue.capacity().saturating_sub(level.len);
            if level.len <= target.queue.capacity() / 2 {
                target.slow = false;
            }
            if level.dropped > 0
                && let Some(suppressed) = target.drops.allow_at(now)
            {
                tracing::warn!(
                    handler = target.name,
                    dropped = target.queue.dropped(),
                    suppressed,
                    "a handler's queue is full: messages are dropped"
                );
            }
        }
    }

    /// Whether reading should wait for a queue that is just full. Waits for handlers that keep up,
    /// and shortly.
    pub(super) fn congested(&mut self, now: Instant) -> bool {
        if self.full.is_empty() {
            return false;
        }
        // Whether there is room shows only once everything is in its queue.
        self.flush(now);
        let begins = self.full_since.is_none();
        let since = *self.full_since.get_or_insert(now);
        let looks = now.duration_since(since) >= PATIENCE;
        let all = &mut self.all;
        self.full.retain(|&index| {
            let Some(target) = all[index].as_mut() else { return false };
            let Some(waiting) = target.queue.await_room() else {
                target.room = target.queue.capacity() - target.queue.capacity() / 2;
                return false;
            };
            if begins {
                target.idle_looks = 0;
            }
            let load = target.queue.load();
            let is_idle = looks && load == target.load;
            target.idle_looks += u8::from(is_idle);
            let is_given_up = !is_idle || target.idle_looks >= IDLE_LOOKS;
            target.slow = looks && is_given_up && waiting + PROGRESS > target.waiting;
            if begins || looks {
                (target.waiting, target.load) = (waiting, load);
            }
            !target.slow
        });
        if self.full.is_empty() {
            self.full_since = None;
        } else if looks {
            self.full_since = Some(now);
        }
        !self.full.is_empty()
    }

    /// When waiting for a full queue ends.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        self.full_since.map(|since| since + PATIENCE)
    }

    /// Whether there are handlers for a topic, and whether any of them gets only its share of what comes
    /// on it.
    pub(super) fn handlers_of(&mut self, topic: &str) -> Option<Shared> {
        let mut found = Vec::new();
        self.router.find(topic, &mut found);
        let targets = || found.iter().filter_map(|&index| self.all[index].as_ref());
        targets().any(|target| target.stream.is_none()).then(|| {
            let is_shared = targets().any(|target| !target.gets_all);
            if is_shared { Shared::WithOthers } else { Shared::Not }
        })
    }

    /// Lets go of a message that the client's streams hold and have not looked at.
    pub(super) fn let_go(&mut self, topic: &str, ticket: &Arc<Ticket>) -> Vec<&str> {
        let mut found = Vec::new();
        self.router.find(topic, &mut found);
        found
            .iter()
            .filter_map(|&index| self.all[index].as_ref())
            .filter(|target| target.stream.is_some() && target.queue.let_go(ticket))
            .map(|target| target.filter.as_str())
            .collect()
    }

    /// Those of a message's handlers that have something to do.
    pub(super) fn busy(&mut self, topic: &str) -> String {
        let mut found = Vec::new();
        self.router.find(topic, &mut found);
        let busy: Vec<&str> = found
            .iter()
            .filter_map(|&index| self.all[index].as_ref())
            .filter(|target| target.queue.load() > 0)
            .map(|target| target.name.as_str())
            .collect();
        busy.join(", ")
    }

    #[cfg(test)]
    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    #[cfg(test)]
    pub(super) fn has_staged(&self) -> bool {
        !self.staged.is_empty()
    }

    /// Ends all that take messages from here.
    pub(super) fn close(&mut self) {
        for target in self.all.iter().flatten() {
            target.queue.close();
        }
    }
}

#[cfg(test)]
mod tests;
