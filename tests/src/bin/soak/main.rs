//! A service under random faults, with hostile publishers beside it, for as long as wanted: is a
//! message lost, does anything grow? `.ci/soak` runs it.
//!
//! ```sh
//! soak [--seconds N] [--seed N]      # or SOAK_SECONDS, SOAK_SEED
//! ```
//!
//! `SOAK_BROKER_LOG` names a file into which mosquitto writes all that it does, and `SOAK_BROKER` is
//! another line of its configuration.
//!
//! Numbered messages at QoS 1 and 2 go from a client over a broker to a service, which answers each at
//! the same level. Client and service reach the broker over a relay each. Lost is what was delivered to
//! the broker, as its receipt says, and never answered. Excused, and counted apart, is a message where
//! the broker has said on the wire that it has it, or its answer, and was killed before it had stored
//! that: no client can know. It ends with status 1 when a message was lost. What was heard of each
//! message that was not answered, and all faults, are told in seconds from the start.

mod faults;
mod hostile;
mod ledger;
mod traffic;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tests::{Mosquitto, Process, Program, Relay, Spy};
use tokio::time::sleep;

use faults::Stage;
use ledger::Ledger;

/// How long it runs.
const SECONDS: u64 = 30 * 60;

/// How often it says how it goes.
const REPORT: Duration = Duration::from_secs(10);

/// How long what is under way may take once there are no faults any more, without any progress.
const CALM: Duration = Duration::from_secs(60);

/// What the broker saves, it saves each second; and it drops no client for what is large.
const BROKER: &str = "allow_anonymous true\nautosave_interval 1\n";

#[tokio::main]
async fn main() -> ExitCode {
    let seconds = setting("--seconds", "SOAK_SECONDS").unwrap_or(SECONDS);
    let seed = setting("--seed", "SOAK_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("soak: {seconds} s, --seed {seed}");
    // What the broker has to say about it, where somebody wants to read that.
    let log = std::env::var("SOAK_BROKER_LOG").unwrap_or_default();
    let log = if log.is_empty() { log } else { format!("log_dest file {log}\nlog_type all\n") };
    let more = std::env::var("SOAK_BROKER").unwrap_or_default();
    let broker = Mosquitto::start_with(&format!("{BROKER}{log}{more}\n")).await;
    let Some(broker) = broker else { return ExitCode::FAILURE };
    let ledger = Arc::new(Ledger::new());
    let to_service = wire::relay(broker.port(), ledger.clone()).await;
    let to_client = wire::relay(broker.port(), ledger.clone()).await;
    let service = service(&to_service);
    // Before the broker has its session there is nothing to lose.
    Spy::on(broker.port(), &["system/health/soak-service"]).await.next().await;
    let (hostile, port) = (hostile::start(broker.port(), seed), broker.port());
    let mut stage = Stage::new(broker, to_service, to_client, service, ledger.clone(), seed);
    let traffic = traffic::start(&stage.to_client, ledger.clone()).await;
    stage.store().await;

    let end = Instant::now() + Duration::from_secs(seconds);
    let reporting = tokio::spawn(report(ledger.clone(), Instant::now()));
    while Instant::now() < end {
        stage.fault().await;
    }
    hostile.abort();
    stage.calm().await;
    traffic.stop_sending();
    let settled = settle(&ledger, &mut stage).await;
    reporting.abort();
    let gauges = stage.gauges();
    let alive = traffic::answers(port).await;
    let sum = ledger.sum();
    let failed = sum.lost > 0 || !settled || !alive;
    if failed || sum.excused > 0 {
        println!("{}", ledger.story());
    }
    if failed {
        println!("the end of the service's log:\n{}", stage.log_end());
    }
    println!(
        "soak: seed={seed} seconds={seconds} faults={} {sum} settled={settled} alive={alive} {gauges}",
        ledger.faults(),
    );
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The service, which reaches the broker over a relay.
fn service(relay: &Relay) -> Process {
    Program::new(&sibling("soak_service").to_string_lossy())
        .env("MQTT_URL", relay.url())
        .env("MQTT_CLIENT_ID", "soak-service")
        .env("MQTT_KEEPALIVE", "5")
        // A broker that was killed forgets answers, too: the work comes again, and must be done again.
        .env("MQTT_DEDUPE_TTL", "0")
        .env("MQTT_DEDUPE_MAX_ENTRIES", "0")
        .env("MQTT_RECONNECT_MIN_DELAY", "0.1")
        .env("MQTT_RECONNECT_MAX_DELAY", "0.5")
        .env("RUST_LOG", "info")
        .start()
}

/// A program in the same folder as this one.
fn sibling(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("this program has a path");
    let path = this.with_file_name(name);
    assert!(path.exists(), "{} is missing: cargo build -p tests --bins", path.display());
    path
}

/// A number from the command line, or from the environment.
fn setting(name: &str, variable: &str) -> Option<u64> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    let text = arguments.next().or_else(|| std::env::var(variable).ok())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, and must be a number")))
}

async fn report(ledger: Arc<Ledger>, begun: Instant) {
    loop {
        sleep(REPORT).await;
        let sum = ledger.sum();
        let seconds = begun.elapsed().as_secs();
        // What is not answered yet is no loss.
        let sum = sum.to_string().replacen("lost=", "under_way=", 1);
        println!("{seconds:5} s  faults={} {sum} {}", ledger.faults(), ledger.gauges());
    }
}

/// Waits until all is answered that can be. False if messages wait that nobody can excuse.
async fn settle(ledger: &Ledger, stage: &mut Stage) -> bool {
    let (mut last, mut since) = (usize::MAX, Instant::now());
    loop {
        let open = ledger.open();
        if open == 0 {
            return true;
        }
        if open < last {
            (last, since) = (open, Instant::now());
        }
        if since.elapsed() > CALM {
            return ledger.unsent() == 0;
        }
        stage.measure();
        sleep(Duration::from_millis(100)).await;
    }
}
