use std::time::Duration;

use rumqttc::Packet;
use tars_mqtt::{Direction, Traffic};
use tokio::sync::broadcast::Receiver;
use tokio::time::{Instant, sleep, timeout};

/// How long a test waits for anything before it fails. A machine that does much else takes its time.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits for something that must come.
#[track_caller]
pub fn within<F: Future>(
    what: impl std::fmt::Display,
    future: F,
) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        match timeout(LIMIT, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: {what} did not come within {LIMIT:?}"),
        }
    }
}

/// Waits until a condition holds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let end = Instant::now() + LIMIT;
        while !condition() {
            assert!(Instant::now() < end, "{caller}: {what} did not happen within {LIMIT:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Waits until the client that is watched acknowledges a message at QoS 1.
pub async fn acknowledged(traffic: &mut Receiver<Traffic>) {
    let acknowledged = async {
        loop {
            let seen = traffic.recv().await.expect("the client is there, and not too fast");
            if seen.direction == Direction::Outgoing && matches!(seen.packet, Packet::PubAck(_)) {
                return;
            }
        }
    };
    within("an acknowledgement", acknowledged).await;
}
