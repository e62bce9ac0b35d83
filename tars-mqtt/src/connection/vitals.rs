use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;

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
    /// Since when there has been something that could not be written.
    stuck: Option<Instant>,
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
            stuck: None,
            heartbeat: heartbeat.map(|interval| (interval, now)),
        }
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.ping_sent = false;
    }

    /// Something was written, or waits to be.
    pub(super) fn sending(&mut self, now: Instant, unsent: bool) {
        if unsent {
            self.stuck.get_or_insert(now);
        } else {
            self.stuck = None;
            self.sent = now;
        }
    }

    /// Whether a ping is due. It counts as sent.
    pub(super) fn ping_due(&mut self, now: Instant) -> bool {
        let due = !self.ping_sent && now >= self.ping_at();
        self.ping_sent |= due;
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
        if now.duration_since(self.heard) >= limit {
            return Some(format!("nothing was heard from the broker for {limit:?}"));
        }
        if self.stuck.is_some_and(|since| now.duration_since(since) >= limit) {
            return Some(format!("the broker took nothing for {limit:?}"));
        }
        None
    }

    /// When to look again.
    pub(super) fn next(&self) -> Instant {
        let mut next = self.heard + self.quiet_limit;
        if !self.ping_sent {
            next = next.min(self.ping_at());
        }
        if let Some(since) = self.stuck {
            next = next.min(since + self.quiet_limit);
        }
        if let Some((_, heartbeat)) = self.heartbeat {
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
        vitals.sending(start, true);
        vitals.heard(start + Duration::from_secs(89));
        assert!(vitals.verdict(start + Duration::from_secs(90)).is_some());
        vitals.sending(start + Duration::from_secs(90), false);
        assert!(vitals.verdict(start + Duration::from_secs(91)).is_none());
    }
}
