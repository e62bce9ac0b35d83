//! What was sent, what was answered, and what happened meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What the broker acknowledged so shortly before it was killed may not have been saved.
pub const FORGETS: Duration = Duration::from_secs(3);

/// The books. Numbers at QoS 1 and at QoS 2 are counted apart.
#[derive(Default)]
pub struct Ledger(Mutex<Books>);

#[derive(Default)]
struct Books {
    messages: [BTreeMap<u64, Message>; 2],
    /// When the broker was killed, and when the service or the broker lost its state.
    kills: Vec<Instant>,
    state_lost: Vec<Instant>,
    faults: u64,
    gauges: Gauges,
    /// Of messages that are answered and cannot come again.
    closed: Sum,
}

struct Message {
    sent: Instant,
    delivered: Option<Instant>,
    answered: Option<Instant>,
    answers: u32,
}

/// What is measured at the service.
#[derive(Clone, Copy, Default)]
pub struct Gauges {
    pub rss: u64,
    pub rss_most: u64,
    pub log_bytes: usize,
    pub log_lines: usize,
    pub restarts: u64,
}

/// Counts of messages.
#[derive(Clone, Copy, Default)]
pub struct Sum {
    pub sent: u64,
    pub delivered: u64,
    pub answered: u64,
    pub lost: u64,
    pub excused: u64,
    /// Answered more than once: at QoS 1, at QoS 2, and at QoS 2 while nobody lost its state.
    pub doubled: [u64; 2],
    pub doubled_live: u64,
}

/// How long a message is kept after it was answered, for its double may come.
const KEPT: Duration = Duration::from_secs(120);

impl Ledger {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, level: usize, number: u64) {
        let sent = Instant::now();
        let message = Message { sent, delivered: None, answered: None, answers: 0 };
        self.books().messages[level].insert(number, message);
    }

    pub fn delivered(&self, level: usize, number: u64) {
        if let Some(message) = self.books().messages[level].get_mut(&number) {
            message.delivered = Some(Instant::now());
        }
    }

    pub fn answered(&self, level: usize, number: u64) {
        let mut books = self.books();
        let Books { messages, state_lost, closed, .. } = &mut *books;
        let now = Instant::now();
        let Some(message) = messages[level].get_mut(&number) else {
            // Kept no longer: it comes very late.
            closed.doubled[level] += 1;
            return;
        };
        message.answers += 1;
        if message.answers == 2 {
            closed.doubled[level] += 1;
            let calm = !state_lost.iter().any(|lost| *lost >= message.sent && *lost <= now);
            closed.doubled_live += u64::from(level == 1 && calm);
        }
        message.answered.get_or_insert(now);
    }

    /// The broker is killed now.
    pub fn broker_killed(&self) {
        let mut books = self.books();
        books.kills.push(Instant::now());
        books.state_lost.push(Instant::now());
    }

    /// The service or the broker begins anew now.
    pub fn state_lost(&self) {
        self.books().state_lost.push(Instant::now());
    }

    pub fn fault(&self) {
        self.books().faults += 1;
    }

    pub fn faults(&self) -> u64 {
        self.books().faults
    }

    pub fn measure(&self, gauges: Gauges) {
        self.books().gauges = gauges;
    }

    pub fn gauges(&self) -> Gauges {
        self.books().gauges
    }

    /// Messages that are not answered and not excused.
    pub fn open(&self) -> usize {
        let books = self.books();
        let all = books.messages.iter().flat_map(BTreeMap::values);
        all.filter(|one| one.answered.is_none() && !books.is_excused(one)).count()
    }

    /// Messages whose receipt has not come.
    pub fn unsent(&self) -> usize {
        let books = self.books();
        let all = books.messages.iter().flat_map(BTreeMap::values);
        all.filter(|one| one.delivered.is_none() && one.answered.is_none()).count()
    }

    /// Those that were delivered and not answered, and that nobody can excuse: the QoS and the number.
    pub fn lost(&self) -> Vec<(usize, u64)> {
        let books = self.books();
        let level = |level: usize| {
            let lost = books.messages[level].iter().filter(|(_, one)| books.is_lost(one));
            lost.map(move |(number, _)| (level + 1, *number)).collect::<Vec<_>>()
        };
        let mut lost = [level(0), level(1)].concat();
        lost.truncate(100);
        lost
    }

    pub fn sum(&self) -> Sum {
        let mut books = self.books();
        books.close();
        let mut sum = books.closed;
        for message in books.messages.iter().flat_map(BTreeMap::values) {
            sum.sent += 1;
            sum.delivered += u64::from(message.delivered.is_some());
            sum.answered += u64::from(message.answered.is_some());
            sum.lost += u64::from(books.is_lost(message));
            sum.excused += u64::from(message.answered.is_none() && books.is_excused(message));
        }
        sum
    }
}

impl Books {
    fn is_excused(&self, message: &Message) -> bool {
        message.delivered.is_some_and(|delivered| {
            self.kills.iter().any(|kill| delivered <= *kill && *kill - delivered < FORGETS)
        })
    }

    fn is_lost(&self, message: &Message) -> bool {
        message.delivered.is_some() && message.answered.is_none() && !self.is_excused(message)
    }

    /// Forgets what is long done with, so that these books do not grow.
    fn close(&mut self) {
        let closed = &mut self.closed;
        for messages in &mut self.messages {
            messages.retain(|_, message| {
                let is_open = message.answered.is_none_or(|answered| answered.elapsed() < KEPT);
                // What is answered was delivered.
                closed.sent += u64::from(!is_open);
                closed.delivered += u64::from(!is_open);
                closed.answered += u64::from(!is_open);
                is_open
            });
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, delivered, answered, lost, excused, doubled, doubled_live } = self;
        let [one, two] = doubled;
        write!(
            f,
            "sent={sent} delivered={delivered} answered={answered} lost={lost} excused={excused} \
             doubled_qos1={one} doubled_qos2={two} doubled_qos2_live={doubled_live}"
        )
    }
}

impl fmt::Display for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rss, rss_most, log_bytes, log_lines, restarts } = self;
        write!(
            f,
            "rss={rss}kB rss_most={rss_most}kB log_bytes={log_bytes} log_lines={log_lines} \
             restarts={restarts}"
        )
    }
}
