use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Instant;

use super::ticket::Hold;
use super::wake::Wake;
use crate::error::{Error, Result};
use crate::qos::QoS;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Semaphore, SemaphorePermit, watch};
use crate::wire::Publish;

/// Messages that may wait to be sent, beyond those that wait for their acknowledgement. A large one
/// takes the place of several. Models fill it with few.
const CAPACITY: u32 = if cfg!(all(test, tars_mqtt_loom)) { 2 } else { 1024 };

/// Bytes of a message beyond which it takes one more place, so that all of them together take some
/// 64 MiB at the most, or twice the largest one.
const PLACE: usize = 64 * 1024;

/// A message that was accepted, and who wants to know how it ends.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) publish: Publish,
    pub(crate) receipt: Option<oneshot::Sender<Result<()>>>,
    pub(crate) hold: Option<Hold>,
    /// When waiting for the acknowledgement ends.
    pub(crate) deadline: Option<Instant>,
    /// Its place among those that its handler may have here.
    pub(crate) share: Option<OwnedSemaphorePermit>,
    /// Connections that the broker has closed while this was what it had to acknowledge first.
    pub(crate) closes: u32,
}

impl Entry {
    pub(crate) fn new(publish: Publish) -> Self {
        Self { publish, receipt: None, hold: None, deadline: None, share: None, closes: 0 }
    }

    /// How many places it takes.
    fn places(&self) -> u32 {
        let more = u32::try_from(self.publish.len() / PLACE).unwrap_or(u32::MAX);
        more.saturating_add(1).min(CAPACITY / 2)
    }

    /// Whether it has waited too long.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The broker has it.
    pub(crate) fn delivered(self) {
        self.end(Ok(()));
    }

    /// It is given up. The message it answers is let go all the same: its handler has run, and
    /// holding it back would stop all that came after it.
    pub(crate) fn failed(self, error: Error) {
        self.end(Err(error));
    }

    fn end(self, outcome: Result<()>) {
        if let Some(receipt) = self.receipt {
            // Whoever published may not be interested in the outcome.
            let _ = receipt.send(outcome);
        }
        if let Some(hold) = self.hold {
            hold.release();
        }
    }
}

/// Where publishers leave messages and the connection takes them.
#[derive(Debug)]
pub(crate) struct Outbox {
    /// `None` once closed.
    entries: Mutex<Option<VecDeque<Entry>>>,
    room: Semaphore,
    wake: Arc<Wake>,
    link_up: AtomicBool,
    /// Tells publishers of QoS 0 messages, who wait for room, that the connection went.
    link: watch::Sender<bool>,
}

impl Outbox {
    pub(crate) fn new(wake: Arc<Wake>) -> Self {
        Self::with_room(CAPACITY as usize, wake)
    }

    /// With room for so many messages.
    pub(crate) fn with_room(room: usize, wake: Arc<Wake>) -> Self {
        Self {
            entries: Mutex::new(Some(VecDeque::new())),
            room: Semaphore::new(room),
            wake,
            link_up: AtomicBool::new(false),
            link: watch::Sender::new(false),
        }
    }

    /// Leaves a message, and waits for room if there is none.
    pub(crate) async fn put(&self, entry: Entry) -> Result<()> {
        let permit = if entry.publish.qos() == QoS::AtMostOnce {
            self.room_while_up(entry.places()).await?
        } else if let Ok(permit) = self.room.try_acquire_many(entry.places()) {
            permit
        } else {
            // Whoever waits may block its thread with that.
            self.wake.wake_if_owed();
            self.room.acquire_many(entry.places()).await.map_err(|_| Error::Stopped)?
        };
        permit.forget();
        self.entries().as_mut().ok_or(Error::Stopped)?.push_back(entry);
        self.wake.wake();
        Ok(())
    }

    async fn room_while_up(&self, places: u32) -> Result<SemaphorePermit<'_>> {
        if self.room.is_closed() {
            return Err(Error::Stopped);
        }
        if !self.link_up.load(Ordering::Acquire) {
            return Err(Error::Disconnected);
        }
        if let Ok(permit) = self.room.try_acquire_many(places) {
            return Ok(permit);
        }
        let mut link = self.link.subscribe();
        tokio::select! {
            // Always looked at in this order, so that a model of it is the same with every run.
            biased;
            permit = self.room.acquire_many(places) => permit.map_err(|_| Error::Stopped),
            _ = link.wait_for(|up| !up) => Err(Error::Disconnected),
        }
    }

    pub(crate) fn set_link(&self, up: bool) {
        self.link_up.store(up, Ordering::Release);
        self.link.send_replace(up);
    }

    /// Takes messages from the front, as long as `take` wants them.
    pub(crate) fn take_while(
        &self,
        mut take: impl FnMut(&Entry) -> bool,
        into: &mut VecDeque<Entry>,
    ) {
        let mut guard = self.entries();
        let Some(entries) = guard.as_mut() else { return };
        let mut taken = 0;
        while entries.front().is_some_and(&mut take) {
            let Some(entry) = entries.pop_front() else { break };
            taken += entry.places() as usize;
            into.push_back(entry);
        }
        if entries.is_empty() {
            entries.shrink_to(CAPACITY as usize);
        }
        drop(guard);
        if taken > 0 {
            self.room.add_permits(taken);
        }
    }

    /// Places that are taken.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        let entries = self.entries();
        entries.as_ref().map_or(0, |all| all.iter().map(|entry| entry.places() as usize).sum())
    }

    /// Places that are free.
    #[cfg(all(test, tars_mqtt_loom))]
    pub(crate) fn room(&self) -> usize {
        self.room.available_permits()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries().as_ref().map_or(0, VecDeque::len)
    }

    /// When the first message will have waited too long. All may wait equally long, so that they
    /// expire in the order in which they stand here.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.entries().as_ref()?.front()?.deadline
    }

    /// Gives up what has waited too long.
    pub(crate) fn expire(&self, now: Instant) -> VecDeque<Entry> {
        let mut late = VecDeque::new();
        self.take_while(|entry| entry.is_late(now), &mut late);
        late
    }

    /// Accepts nothing any more, and gives back what is left.
    pub(crate) fn close(&self) -> VecDeque<Entry> {
        self.room.close();
        self.entries().take().unwrap_or_default()
    }

    fn entries(&self) -> MutexGuard<'_, Option<VecDeque<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
