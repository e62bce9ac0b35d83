use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;

/// Bytes a second of the slowest link that is waited for.
const SLOWEST: u64 = 8 * 1024;

/// Whether the broker is still there.
#[derive(Debug)]
pub(super) struct Vitals {
    /// A ping goes out after this long without a packet in one of the two directions.
    ping_after: Duration,
    /// After this long without a sign from the broker the connection is dead.
    quiet_limit: Duration,
    heard: Instant,
    sent: Instant,
    ping_sent: bool,
    /// Bytes written when the last ping was sent.
    written_at_ping: u64,
    heard_since_ping: bool,
    /// When the peer last took something that had to wait for it.
    progress: Instant,
    /// Since when there has been something that could not be written, and nothing of it was.
    stuck: Option<Instant>,
    /// Bytes written in all, and when the broker was last heard.
    written: u64,
    written_before: u64,
    /// How often a heartbeat is sent, and when the next one is due.
    heartbeat: Option<(Duration, Instant)>,
}

impl Vitals {
    pub(super) fn new(config: &Config, now: Instant) -> Self {
        let keep_alive = config.keep_alive_interval();
        let heartbeat = config.heartbeat_interval();
        // Asked a little before the time is up, so that the broker hears of us within it
        // (MQTT-3.1.2-24).
        let ping_after = keep_alive.mul_f64(0.75).min(heartbeat.unwrap_or(keep_alive));
        let quiet_limit = match heartbeat {
            Some(interval) => interval * 3,
            None => keep_alive.mul_f64(1.5),
        };
        Self {
            ping_after,
            quiet_limit,
            heard: now,
            sent: now,
            ping_sent: false,
            written_at_ping: 0,
            heard_since_ping: false,
            progress: now,
            stuck: None,
            written: 0,
            written_before: 0,
            heartbeat: heartbeat.map(|interval| (interval, now)),
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.heard_since_ping = true;
        self.written_before = self.written;
    }

    /// How writing stands: whether something waits to be written, and how many bytes have been.
    pub(super) fn wrote(&mut self, now: Instant, unsent: bool, written: u64) {
        if written > self.written {
            self.written = written;
            self.sent = now;
            // The peer's system takes more only when what it had has been passed on.
            if self.stuck.take().is_some() {
                self.progress = now;
            }
        }
        // A ping that waits to be written is enough, whatever is heard meanwhile.
        if self.heard_since_ping && self.written > self.written_at_ping {
            self.ping_sent = false;
        }
        if unsent {
            self.stuck.get_or_insert(now);
        } else {
            self.stuck = None;
        }
    }

    /// Whether a ping is due. It counts as sent.
    pub(super) fn ping_due(&mut self, now: Instant) -> bool {
        let due = !self.ping_sent && now >= self.ping_at();
        if due {
            self.ping_sent = true;
            self.written_at_ping = self.written;
            self.heard_since_ping = false;
        }
        due
    }

    fn ping_at(&self) -> Instant {
        self.heard.min(self.sent) + self.ping_after
    }

    /// Whether a heartbeat is due. It counts as sent.
    pub(super) fn heartbeat_due(&mut self, now: Instant) -> bool {
        match &mut self.heartbeat {
            Some((interval, next)) if *next <= now => {
                *next = now + *interval;
                true
            }
            _ => false,
        }
    }

    /// Why the connection must be given up, if it must.
    pub(super) fn verdict(&self, now: Instant) -> Option<String> {
        let limit = self.quiet_limit;
        if now >= self.quiet_until() {
            return Some(format!("nothing was heard from the broker for {limit:?}"));
        }
        if self.stuck.is_some_and(|since| now.duration_since(since) >= limit) {
            return Some(format!("the broker took nothing for {limit:?}"));
        }
        None
    }

    /// When the broker has been silent for too long. It cannot answer before it has read what was
    /// written since it was last heard, for which a slow link takes its time: up to as long again.
    fn quiet_until(&self) -> Instant {
        let unanswered = self.written - self.written_before;
        let seconds = u32::try_from(unanswered / SLOWEST).unwrap_or(u32::MAX);
        let allowance = Duration::from_secs(u64::from(seconds)).min(self.quiet_limit);
        self.heard.max(self.progress) + self.quiet_limit + allowance
    }

    /// When to look again. Heartbeats count only while they are sent.
    pub(super) fn next(&self, sends_heartbeats: bool) -> Instant {
        let mut next = self.quiet_until();
        if !self.ping_sent {
            next = next.min(self.ping_at());
        }
        if let Some(since) = self.stuck {
            next = next.min(since + self.quiet_limit);
        }
        if let Some((_, heartbeat)) = self.heartbeat.filter(|_| sends_heartbeats) {
            next = next.min(heartbeat);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("mqtt://localhost", "vitals").unwrap().keep_alive(Duration::from_secs(60))
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_broker_is_pinged_once_and_then_given_up() {
        let start = Instant::now();
        let mut vitals = Vitals::new(&config(), start);
        assert!(!vitals.ping_due(start + Duration::from_secs(44)));
        assert!(vitals.ping_due(start + Duration::from_secs(45)));
        assert!(!vitals.ping_due(start + Duration::from_secs(46)));
        assert!(vitals.verdict(start + Duration::from_secs(89)).is_none());
        assert!(vitals.verdict(start + Duration::from_secs(90)).is_some());
        vitals.heard(start + Duration::from_secs(80));
        assert!(vitals.verdict(start + Duration::from_secs(90)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_ping_that_waits_to_be_written_is_enough_whatever_is_heard() {
        let start = Instant::now();
        let mut vitals = Vitals::new(&config(), start);
        let later = start + Duration::from_secs(45);
        assert!(vitals.ping_due(later));
        for second in 0..20 {
            let now = later + Duration::from_secs(second);
            vitals.heard(now);
            vitals.wrote(now, true, 0);
            assert!(!vitals.ping_due(now));
        }
        let written = later + Duration::from_secs(20);
        vitals.wrote(written, false, 2);
        assert!(!vitals.ping_due(written));
        assert!(vitals.ping_due(written + Duration::from_secs(45)), "it goes on");
    }

    #[tokio::test(start_paused = true)]
    async fn with_a_heartbeat_the_broker_is_given_up_after_three_intervals() {
        let start = Instant::now();
        let mut vitals = Vitals::new(&config().heartbeat(Some(Duration::from_secs(2))), start);
        assert!(vitals.heartbeat_due(start));
        assert!(!vitals.heartbeat_due(start + Duration::from_secs(1)));
        assert!(vitals.heartbeat_due(start + Duration::from_secs(2)));
        assert!(vitals.ping_due(start + Duration::from_secs(2)));
        assert!(vitals.verdict(start + Duration::from_secs(5)).is_none());
        assert!(vitals.verdict(start + Duration::from_secs(6)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_sends_but_takes_nothing_is_given_up_too() {
        let start = Instant::now();
        let mut vitals = Vitals::new(&config(), start);
        vitals.wrote(start, true, 0);
        vitals.heard(start + Duration::from_secs(89));
        assert!(vitals.verdict(start + Duration::from_secs(90)).is_some());
        vitals.wrote(start + Duration::from_secs(90), false, 1);
        assert!(vitals.verdict(start + Duration::from_secs(91)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_goes_on_taking_a_large_message_is_alive() {
        let start = Instant::now();
        let config = config().keep_alive(Duration::from_secs(4));
        let mut vitals = Vitals::new(&config, start);
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..60 {
            vitals.wrote(at(second), true, second * 100_000);
            assert!(vitals.verdict(at(second)).is_none(), "{second}");
        }
        assert!(vitals.verdict(at(64)).is_none());
        assert!(vitals.verdict(at(65)).is_some(), "it takes nothing any more");
        vitals.wrote(at(64), false, 6_000_000);
        assert!(vitals.verdict(at(75)).is_none(), "what is on its way takes time");
        assert!(vitals.verdict(at(76)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_that_died_is_noticed_in_time_although_little_was_written() {
        let start = Instant::now();
        let mut vitals = Vitals::new(&config(), start);
        vitals.wrote(start, false, 4_000);
        assert!(vitals.verdict(start + Duration::from_secs(90)).is_some());
    }
}
