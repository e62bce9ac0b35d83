//! What was sent, what was answered, and what happened meanwhile.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The books. Numbers at QoS 1 and at QoS 2 are counted apart.
pub struct Ledger {
    begun: Instant,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// What is not answered yet, and what was answered and may be answered again.
    open: [BTreeMap<u64, Message>; 2],
    done: [BTreeMap<u64, Message>; 2],
    kills: Vec<Kill>,
    /// When the service or the broker ended.
    state_lost: Vec<Instant>,
    faults: Vec<(Instant, String)>,
    gauges: Gauges,
    /// Of messages that are answered and cannot come again.
    closed: Sum,
}

struct Message {
    sent: Instant,
    delivered: Option<Instant>,
    answered: Option<Instant>,
    answers: u32,
    acknowledged: Vec<Acknowledged>,
}

/// The broker has acknowledged work or an answer, on a connection that was made then.
#[derive(Clone, Copy)]
pub struct Acknowledged {
    pub at: Instant,
    pub connected: Instant,
    pub is_answer: bool,
    /// This is PUBCOMP, the second half of it.
    pub is_end: bool,
}

/// A broker was killed, and had stored then for the last time.
#[derive(Clone, Copy)]
struct Kill {
    stored: Instant,
    killed: Instant,
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
    /// Answered more than once: at QoS 1, at QoS 2, and at QoS 2 while nobody ended.
    pub doubled: [u64; 2],
    pub doubled_live: u64,
}

/// How long a message is kept after it was answered, for its double may come.
const KEPT: Duration = Duration::from_secs(120);

/// How many messages are told of, that are lost or excused.
const TOLD: usize = 50;

impl Ledger {
    pub fn new() -> Self {
        Self { begun: Instant::now(), books: Mutex::default() }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn sent(&self, level: usize, number: u64) {
        let message = Message {
            sent: Instant::now(),
            delivered: None,
            answered: None,
            answers: 0,
            acknowledged: Vec::new(),
        };
        self.books().open[level].insert(number, message);
    }

    pub fn delivered(&self, level: usize, number: u64) {
        if let Some(message) = self.books().find(level, number) {
            message.delivered = Some(Instant::now());
        }
    }

    /// The broker acknowledges work or an answer.
    pub fn acknowledged(&self, level: usize, number: u64, acknowledged: Acknowledged) {
        if let Some(message) = self.books().find(level, number) {
            message.acknowledged.push(acknowledged);
        }
    }

    pub fn answered(&self, level: usize, number: u64) {
        let mut books = self.books();
        let now = Instant::now();
        if let Some(mut message) = books.open[level].remove(&number) {
            message.answered = Some(now);
            message.answers = 1;
            books.done[level].insert(number, message);
            return;
        }
        let Books { done, state_lost, closed, .. } = &mut *books;
        let Some(message) = done[level].get_mut(&number) else {
            // Kept no longer: it comes very late.
            closed.doubled[level] += 1;
            return;
        };
        message.answers += 1;
        if message.answers == 2 {
            closed.doubled[level] += 1;
            let is_calm = !state_lost.iter().any(|lost| *lost >= message.sent && *lost <= now);
            closed.doubled_live += u64::from(level == 1 && is_calm);
        }
    }

    /// The broker was killed just now, and had stored what it had at that time.
    pub fn broker_killed(&self, stored: Option<SystemTime>) {
        let killed = Instant::now();
        let since = stored.and_then(|stored| SystemTime::now().duration_since(stored).ok());
        // What a broker never stored is all lost.
        let stored = since.and_then(|since| killed.checked_sub(since)).unwrap_or(self.begun);
        let mut books = self.books();
        books.kills.push(Kill { stored, killed });
        books.state_lost.push(killed);
    }

    /// The service was killed, or the broker ended: mosquitto sends again as PUBLISH what it had
    /// released before it stored it.
    pub fn state_lost(&self) {
        self.books().state_lost.push(Instant::now());
    }

    pub fn fault(&self, what: impl Into<String>) {
        self.books().faults.push((Instant::now(), what.into()));
    }

    pub fn faults(&self) -> usize {
        self.books().faults.len()
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
        books.open.iter().flat_map(BTreeMap::values).filter(|one| !books.is_excused(one)).count()
    }

    /// Messages whose receipt has not come.
    pub fn unsent(&self) -> usize {
        let books = self.books();
        books.open.iter().flat_map(BTreeMap::values).filter(|one| one.delivered.is_none()).count()
    }

    /// Tells of the messages that were not answered, those excused first, and of the faults meanwhile.
    pub fn story(&self) -> String {
        let books = self.books();
        let since = |at: Instant| at.saturating_duration_since(self.begun).as_secs_f64();
        let mut lines = [Vec::new(), Vec::new()];
        for (level, messages) in books.open.iter().enumerate() {
            for (number, message) in messages {
                let is_excused = books.is_excused(message);
                let name = |one: &Acknowledged| {
                    let side = if one.is_answer { "answer" } else { "work" };
                    let end = if one.is_end { " end" } else { "" };
                    format!("{side}{end} {:.3}", since(one.at))
                };
                let acknowledged: Vec<String> = message.acknowledged.iter().map(name).collect();
                lines[usize::from(!is_excused)].push(format!(
                    "{} QoS {} number {number}: sent {:.3} delivered {:.3?} acknowledged \
                     {}",
                    if is_excused { "excused:" } else { "lost:" },
                    level + 1,
                    since(message.sent),
                    message.delivered.map(since),
                    acknowledged.join(", "),
                ));
            }
        }
        for lines in &mut lines {
            lines.truncate(TOLD);
        }
        let mut story = lines.concat();
        for kill in &books.kills {
            let (killed, stored) = (since(kill.killed), since(kill.stored));
            story.push(format!("broker killed {killed:.3}, had stored {stored:.3}"));
        }
        story.extend(books.faults.iter().map(|(at, what)| format!("{:.3} {what}", since(*at))));
        story.join("\n")
    }

    pub fn sum(&self) -> Sum {
        let mut books = self.books();
        books.close();
        let mut sum = books.closed;
        for message in books.open.iter().chain(&books.done).flat_map(BTreeMap::values) {
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
    fn find(&mut self, level: usize, number: u64) -> Option<&mut Message> {
        match self.open[level].get_mut(&number) {
            Some(message) => Some(message),
            None => self.done[level].get_mut(&number),
        }
    }

    /// Whether the broker was killed before it had stored what it acknowledged last: the answer, or the
    /// work if there was no answer. PUBCOMP excuses nothing: what the broker had at PUBREC is released
    /// again after its restart. What one broker says is said on connections that were made before its end.
    fn is_excused(&self, message: &Message) -> bool {
        let taken = || message.acknowledged.iter().filter(|one| !one.is_end);
        let last = taken().rfind(|one| one.is_answer).or_else(|| taken().next_back());
        last.is_some_and(|one| {
            self.kills.iter().any(|kill| one.at >= kill.stored && one.connected <= kill.killed)
        })
    }

    fn is_lost(&self, message: &Message) -> bool {
        message.delivered.is_some() && message.answered.is_none() && !self.is_excused(message)
    }

    /// Forgets what is long done with, so that these books do not grow.
    fn close(&mut self) {
        let closed = &mut self.closed;
        for messages in &mut self.done {
            messages.retain(|_, message| {
                let is_kept = message.answered.is_none_or(|answered| answered.elapsed() < KEPT);
                // What is answered was delivered.
                closed.sent += u64::from(!is_kept);
                closed.delivered += u64::from(!is_kept);
                closed.answered += u64::from(!is_kept);
                is_kept
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_broker_acknowledged_last_and_had_not_stored_is_excused() {
        let begun = Instant::now();
        let at = |second: u64| begun + Duration::from_secs(second);
        let kill = Kill { stored: at(5), killed: at(8) };
        let books = Books { kills: vec![kill], ..Books::default() };
        // The second, that of the connection, and whether it was an answer, and PUBCOMP.
        let message = |acknowledged: &[(u64, u64, bool, bool)]| Message {
            sent: begun,
            delivered: Some(at(9)),
            answered: None,
            answers: 0,
            acknowledged: acknowledged
                .iter()
                .map(|&(second, connected, is_answer, is_end)| Acknowledged {
                    at: at(second),
                    connected: at(connected),
                    is_answer,
                    is_end,
                })
                .collect(),
        };
        for (acknowledged, excused) in [
            (&[][..], false),
            (&[(4, 1, false, false)], false),
            (&[(6, 1, false, false)], true),
            (&[(10, 9, false, false)], false),
            (&[(6, 1, false, false), (10, 9, false, true)], true),
            (&[(4, 1, false, false), (6, 1, false, true)], false),
            (&[(4, 1, false, false), (6, 1, true, false)], true),
            (&[(6, 1, false, false), (10, 9, true, false)], false),
            (&[(6, 1, true, false), (10, 9, true, false)], false),
            // The service releases what may have been under way before it was killed.
            (&[(6, 1, false, false), (10, 9, true, true)], true),
        ] {
            let message = message(acknowledged);
            assert_eq!(books.is_excused(&message), excused, "{acknowledged:?}");
            assert_eq!(books.is_lost(&message), !excused);
        }
    }
}
