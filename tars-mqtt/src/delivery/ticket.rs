use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::wake::Wake;

/// What must happen before a message is acknowledged to the broker: each handler done with it, and
/// each reply acknowledged.
#[derive(Debug)]
pub(crate) struct Ticket {
    outstanding: AtomicUsize,
    /// Later copies of the same message, which wait for the outcome of this one.
    followers: Mutex<Vec<Hold>>,
    /// A queue had no room for it.
    dropped: AtomicBool,
    /// No queue may drop it: a copy of it came that must be handled.
    kept: AtomicBool,
    wake: Arc<Wake>,
}

impl Ticket {
    /// A ticket that waits for as many holds as [`Ticket::hold`] hands out. The one returned here
    /// keeps it open meanwhile.
    pub(crate) fn open(wake: &Arc<Wake>) -> Hold {
        Hold(Arc::new(Self {
            outstanding: AtomicUsize::new(1),
            followers: Mutex::default(),
            dropped: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            wake: wake.clone(),
        }))
    }

    /// One more hold on a message that is not done yet.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Hold(self.clone())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.outstanding.load(Ordering::Acquire) == 0
    }

    /// From now on no queue drops the message. Returns whether one has done so already.
    pub(crate) fn keep(&self) -> bool {
        self.kept.store(true, Ordering::Relaxed);
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// Lets a later copy of the message be done when this one is.
    pub(crate) fn follow(&self, follower: Hold) {
        let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_done() {
            drop(followers);
            follower.release();
        } else {
            followers.push(follower);
        }
    }
}

/// Keeps a message from being acknowledged until it is released.
///
/// One that is dropped without being released keeps its message unacknowledged for good: whoever
/// held it did not finish, and the broker must send the message again.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold(Arc<Ticket>);

impl Hold {
    pub(crate) fn ticket(&self) -> &Arc<Ticket> {
        &self.0
    }

    /// The message had to be dropped: nothing is left to wait for.
    pub(crate) fn drop_message(self) {
        self.0.dropped.store(true, Ordering::Relaxed);
        self.release();
    }

    pub(crate) fn release(self) {
        if self.0.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            let followers = {
                let mut followers = self.0.followers.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *followers)
            };
            for follower in followers {
                follower.release();
            }
            self.0.wake.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_done_when_every_hold_is_released() {
        let first = Ticket::open(&Arc::default());
        let second = first.ticket().hold();
        let ticket = first.ticket().clone();
        first.release();
        assert!(!ticket.is_done());
        second.release();
        assert!(ticket.is_done());
    }

    #[test]
    fn a_hold_that_is_only_dropped_never_lets_its_message_go() {
        let hold = Ticket::open(&Arc::default());
        let ticket = hold.ticket().clone();
        drop(hold);
        assert!(!ticket.is_done());
    }

    #[test]
    fn a_follower_is_done_when_the_first_copy_is() {
        let wake = Arc::default();
        let (first, second, third) =
            (Ticket::open(&wake), Ticket::open(&wake), Ticket::open(&wake));
        let tickets = [first.ticket().clone(), second.ticket().clone(), third.ticket().clone()];
        tickets[0].follow(second);
        assert!(!tickets[1].is_done());
        first.release();
        assert!(tickets[1].is_done());
        tickets[0].follow(third);
        assert!(tickets[2].is_done());
    }
}
