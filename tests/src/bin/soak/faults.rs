//! What goes wrong, one thing after the other.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tests::{Mosquitto, Process, Relay};
use tokio::time::sleep;

use crate::ledger::{Gauges, Ledger};

/// All that can be broken.
pub struct Stage {
    broker: Mosquitto,
    to_service: Relay,
    pub to_client: Relay,
    service: Process,
    ledger: Arc<Ledger>,
    random: Rng,
    gauges: Gauges,
    /// What the services before this one have written.
    written: (usize, usize),
}

impl Stage {
    pub fn new(
        broker: Mosquitto,
        to_service: Relay,
        to_client: Relay,
        service: Process,
        ledger: Arc<Ledger>,
        seed: u64,
    ) -> Self {
        let random = Rng::with_seed(seed);
        let gauges = Gauges::default();
        let written = (0, 0);
        Self { broker, to_service, to_client, service, ledger, random, gauges, written }
    }

    /// Lets the broker store the sessions. One that forgets them cannot be told from one that forgets
    /// what it has acknowledged.
    pub async fn store(&self) {
        self.broker.store().await;
    }

    /// Something breaks, and is mended; then nothing does for a while.
    pub async fn fault(&mut self) {
        match self.random.u8(..15) {
            0..=2 => {
                self.ledger.fault("a link is cut");
                self.relay().cut();
            }
            3 => {
                let delay = self.millis(10, 300);
                self.ledger.fault(format!("a link delays by {delay:?}"));
                self.relay().delay(delay);
                self.pause(500, 4000).await;
                self.mend_relays();
            }
            4 => {
                self.ledger.fault("a link swallows everything");
                self.relay().black_hole(true);
                self.pause(500, 12_000).await;
                self.mend_relays();
                // What was swallowed is missing: no connection goes on after that.
                self.to_service.cut();
                self.to_client.cut();
            }
            5 => {
                self.ledger.fault("a link is closed");
                self.relay().close();
                self.pause(100, 3000).await;
                self.mend_relays();
            }
            6..=7 => {
                self.ledger.fault("the service is killed");
                self.restart_service().await;
            }
            8 => {
                self.ledger.fault("the service is stopped and continued");
                self.service.signal("STOP");
                self.pause(200, 8000).await;
                self.service.signal("CONT");
            }
            9..=10 => {
                self.ledger.fault("the broker ends, and stores");
                self.broker.stop().await;
                self.ledger.state_lost();
                self.restart_broker().await;
            }
            11 => {
                self.ledger.fault("the broker is killed");
                self.kill_broker().await;
            }
            12 => {
                self.ledger.fault("the broker stores and is killed");
                self.broker.store().await;
                self.kill_broker().await;
            }
            13 => {
                self.ledger.fault("the broker is stopped and continued");
                self.broker.signal("STOP");
                self.pause(200, 8000).await;
                self.broker.signal("CONT");
            }
            _ => {
                self.ledger.fault("the broker is stopped, the service killed");
                self.broker.signal("STOP");
                self.pause(200, 3000).await;
                self.restart_service().await;
                self.relay().cut();
                self.broker.signal("CONT");
            }
        }
        self.measure();
        self.pause(100, 3000).await;
    }

    /// Everything works again.
    pub async fn calm(&mut self) {
        self.mend_relays();
        self.broker.signal("CONT");
        self.service.signal("CONT");
        self.pause(1000, 1001).await;
        self.measure();
    }

    pub fn gauges(&mut self) -> Gauges {
        self.measure();
        self.gauges
    }

    /// The last lines that the service has written.
    pub fn log_end(&self) -> String {
        let errors = self.service.errors();
        let lines: Vec<&str> = errors.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    async fn kill_broker(&mut self) {
        self.broker.kill();
        self.ledger.broker_killed(self.broker.stored());
        self.restart_broker().await;
    }

    async fn restart_broker(&mut self) {
        self.pause(1, 2000).await;
        self.broker.restart().await;
        self.ledger.fault("the broker is back");
    }

    async fn restart_service(&mut self) {
        self.measure();
        let errors = self.service.errors();
        self.written.0 += errors.len();
        self.written.1 += errors.lines().count();
        self.service.kill();
        self.ledger.state_lost();
        self.gauges.restarts += 1;
        self.pause(1, 1000).await;
        self.service = crate::service(&self.to_service);
    }

    /// Looks at the service.
    pub fn measure(&mut self) {
        let errors = self.service.errors();
        self.gauges.log_bytes = self.written.0 + errors.len();
        self.gauges.log_lines = self.written.1 + errors.lines().count();
        self.gauges.rss = resident(self.service.id()).unwrap_or(0);
        self.gauges.rss_most = self.gauges.rss_most.max(self.gauges.rss);
        self.ledger.measure(self.gauges);
    }

    fn relay(&mut self) -> &Relay {
        if self.random.bool() { &self.to_service } else { &self.to_client }
    }

    fn mend_relays(&self) {
        for relay in [&self.to_service, &self.to_client] {
            relay.open();
            relay.delay(Duration::ZERO);
            relay.black_hole(false);
        }
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.random.u64(from..to))
    }

    async fn pause(&mut self, from: u64, to: u64) {
        let pause = self.millis(from, to);
        sleep(pause).await;
    }
}

/// Kilobytes that a process has in memory.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
