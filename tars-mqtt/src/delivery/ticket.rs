use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::wake::Wake;
use crate::sync::{AtomicUsize, Mutex};

/// What must happen before a message is acknowledged to the broker: each handler done with it, and
/// each reply acknowledged.
#[derive(Debug)]
pub(crate) struct Ticket {
    outstanding: AtomicUsize,
    /// Later copies of the same message, which wait for the outcome of this one.
    followers: Mutex<Vec<Hold>>,
    /// Whether a queue has given it up, and whether any still may: [`GIVEN_UP`] and [`KEPT`].
    fate: AtomicUsize,
    wake: Arc<Wake>,
}

/// A queue had no room for the message.
const GIVEN_UP: usize = 1;

/// No queue may give the message up: a copy of it came that must be handled.
const KEPT: usize = 2;

impl Ticket {
    /// A ticket that waits for as many holds as [`Ticket::hold`] hands out. The one returned here
    /// keeps it open meanwhile.
    pub(crate) fn open(wake: &Arc<Wake>) -> Hold {
        let ticket = Arc::new(Self {
            outstanding: AtomicUsize::new(1),
            followers: Mutex::default(),
            fate: AtomicUsize::new(0),
            wake: wake.clone(),
        });
        Hold { ticket, when_dropped: WhenDropped::KeepsForGood }
    }

    /// One more hold on a message that is not done yet, for a handler or a copy.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.one_more(WhenDropped::KeepsForGood)
    }

    /// One more hold, for a reply. Whoever gives up sending the reply lets go with that: the
    /// handler has a hold of its own, and says what becomes of the message.
    pub(crate) fn hold_for_reply(self: &Arc<Self>) -> Hold {
        self.one_more(WhenDropped::LetsGo)
    }

    fn one_more(self: &Arc<Self>, when_dropped: WhenDropped) -> Hold {
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        Hold { ticket: self.clone(), when_dropped }
    }

    fn let_go(&self) {
        if self.outstanding.fetch_sub(1, Ordering::AcqRel) == 1 {
            let followers = {
                let mut followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *followers)
            };
            for follower in followers {
                follower.release();
            }
            self.wake.wake();
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.outstanding.load(Ordering::Acquire) == 0
    }

    /// From now on no queue gives the message up. Returns whether one has done so already.
    pub(crate) fn keep(&self) -> bool {
        self.fate.fetch_or(KEPT, Ordering::Relaxed) & GIVEN_UP != 0
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.fate.load(Ordering::Relaxed) & KEPT != 0
    }

    /// A queue has no room for the message. Returns whether it may drop it: not if it is kept.
    pub(crate) fn give_up(&self) -> bool {
        let given_up = |fate| (fate & KEPT == 0).then_some(fate | GIVEN_UP);
        // Either this comes first or `keep`, and whichever is second knows.
        self.fate.fetch_update(Ordering::Relaxed, Ordering::Relaxed, given_up).is_ok()
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
/// A handler's that is dropped without being released keeps its message unacknowledged for good:
/// the handler was cut off by the end of the service, and the broker must send the message again.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hold {
    ticket: Arc<Ticket>,
    when_dropped: WhenDropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenDropped {
    KeepsForGood,
    LetsGo,
}

impl Hold {
    pub(crate) fn ticket(&self) -> &Arc<Ticket> {
        &self.ticket
    }

    pub(crate) fn release(mut self) {
        self.when_dropped = WhenDropped::LetsGo;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.when_dropped == WhenDropped::LetsGo {
            self.ticket.let_go();
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
    fn a_hold_of_a_handler_that_is_only_dropped_never_lets_its_message_go() {
        let hold = Ticket::open(&Arc::default());
        let ticket = hold.ticket().clone();
        drop(hold);
        assert!(!ticket.is_done());
    }

    #[test]
    fn a_hold_of_a_reply_that_is_given_up_lets_its_message_go() {
        let handler = Ticket::open(&Arc::default());
        let ticket = handler.ticket().clone();
        let reply = ticket.hold_for_reply();
        drop(reply);
        assert!(!ticket.is_done(), "the handler is at work");
        handler.release();
        assert!(ticket.is_done());
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
