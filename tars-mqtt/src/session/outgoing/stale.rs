use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use crate::qos::QoS;
use crate::wire::{Packet, PacketSink};

/// Messages at QoS 2 that are remembered after their end.
const REMEMBERED: usize = 1024;

/// Identifiers of an earlier process that are released at once.
const STEP: usize = 4096;

/// Connections on which all are released at the most. A broker that does not answer gains nothing by more.
const TRIES: u32 = 10;

/// How long the next ones wait where the broker does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Messages at QoS 2 that the broker may hold, waiting for a release that nobody owes it any more: those
/// of an earlier process that was killed, and those that were done with before a broker came back with
/// an older state. Such a message is never delivered. It also takes one of the places that the broker
/// has for this client's messages; when all are taken, mosquitto acknowledges what comes and drops it,
/// at QoS 1 too, for as long as the session lives.
///
/// A release of what the broker does not hold is answered and does nothing (section 4.3.3), so all that
/// may be held are released: those done with lately at the beginning of each connection; and once in a
/// process, if the broker has kept a session that an earlier one may have used, all identifiers that
/// are not in use. That happens when the broker has shown with its first PUBREC that it knows QoS 2,
/// for others may take a PUBREL for an error. Only the identifier of that first message is released
/// before it, or the broker would take it for the one that it holds.
#[derive(Debug)]
pub(super) struct Stale {
    /// Identifiers that an earlier process may have used.
    all: Range<u16>,
    done: VecDeque<u16>,
    earlier: Earlier,
    /// Whether `done` is to be released on this connection.
    is_due: bool,
    released_at: Option<Instant>,
    /// Connections that ended before all was answered.
    tries: u32,
}

/// What is known of an earlier process.
#[derive(Debug, Default)]
enum Earlier {
    #[default]
    Unknown,
    /// Its identifiers may be with the broker.
    Possible,
    /// They are being released, in order.
    Releasing(Range<u16>),
    /// All have been released; this was the last, which the broker has not answered.
    Answering(u16),
    Gone,
}

impl Stale {
    /// For a session that uses identifiers up to this one.
    pub(super) fn new(highest: u16) -> Self {
        Self {
            all: 1..highest + 1,
            done: VecDeque::new(),
            earlier: Earlier::default(),
            is_due: false,
            released_at: None,
            tries: 0,
        }
    }

    /// A connection begins, to a broker that has kept the session or not.
    pub(super) fn connected(&mut self, session_present: bool) {
        if !session_present {
            self.done.clear();
            self.earlier = Earlier::Gone;
        }
        match self.earlier {
            Earlier::Unknown => self.earlier = Earlier::Possible,
            // What was released on the last connection may not have arrived.
            Earlier::Releasing(_) | Earlier::Answering(_) => {
                self.earlier = Earlier::Releasing(self.all.clone());
                self.tries += 1;
                if self.tries > TRIES {
                    self.earlier = Earlier::Gone;
                }
            }
            Earlier::Possible | Earlier::Gone => {}
        }
        self.is_due = true;
    }

    /// How many messages at QoS 2 may be under way until all is released. One, as long as it is not
    /// known whether there is anything: it has its own identifier, and a place at the broker.
    pub(super) fn limit(&self) -> usize {
        match self.earlier {
            Earlier::Unknown | Earlier::Answering(_) | Earlier::Gone => usize::MAX,
            Earlier::Possible => 1,
            Earlier::Releasing(_) => 0,
        }
    }

    /// Whether the broker may hold a message of an earlier process under the identifier of one that is
    /// about to be sent.
    pub(super) fn may_be_held(&self, qos: QoS) -> bool {
        qos == QoS::ExactlyOnce && matches!(self.earlier, Earlier::Possible)
    }

    /// The broker has answered a message at QoS 2 with PUBREC.
    pub(super) fn received(&mut self) {
        if let Earlier::Possible = self.earlier {
            self.earlier = Earlier::Releasing(self.all.clone());
        }
    }

    /// The broker has answered a message at QoS 2 with PUBACK: it does not know QoS 2.
    pub(super) fn is_unknown(&mut self) {
        if let Earlier::Possible = self.earlier {
            self.earlier = Earlier::Gone;
        }
    }

    /// A message is done with.
    pub(super) fn done(&mut self, id: u16) {
        if self.done.len() >= REMEMBERED {
            self.done.pop_front();
        }
        self.done.push_back(id);
    }

    /// PUBCOMP: the broker has let go of what it had under an identifier, if anything.
    pub(super) fn completed(&mut self, id: u16) {
        if let Earlier::Answering(last) = self.earlier
            && last == id
        {
            self.earlier = Earlier::Gone;
        }
    }

    /// Releases what is to be released now, but for `ours`, which are under way at QoS 2. More are released
    /// when those are answered.
    pub(super) fn release(&mut self, out: &mut impl PacketSink, ours: &[u16], now: Instant) {
        if std::mem::take(&mut self.is_due) {
            for &id in self.done.iter().filter(|id| !ours.contains(id)) {
                out.send(Packet::PubRel(id.into()));
            }
        }
        let Earlier::Releasing(rest) = &mut self.earlier else { return };
        if !out.has_room() {
            self.released_at = None;
            return;
        }
        let mut last = self.all.end;
        for id in rest.take(STEP).filter(|id| !ours.contains(id)) {
            out.send(Packet::PubRel(id.into()));
            last = id;
        }
        self.released_at = Some(now);
        if rest.start >= rest.end {
            (self.earlier, self.released_at) = (Earlier::Answering(last), None);
        }
    }

    /// Whether there may be something to release.
    pub(super) fn has_work(&self) -> bool {
        self.is_due || matches!(self.earlier, Earlier::Releasing(_))
    }

    /// When more are released, if not before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.released_at.map(|at| at + PAUSE)
    }

    pub(super) fn connection_lost(&mut self) {
        self.released_at = None;
    }
}
