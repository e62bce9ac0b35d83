//! From the start to the end: subscriptions, health, heartbeat, shutdown.

use anyhow::bail;
use rumqttc::{LastWill, QoS};
use serde_json::json;
use tars::memory::Store;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{interval, timeout};

use crate::connection::{Connection, connected, disconnected, pump};
use crate::duplicates::Duplicates;
use crate::envelope::{Envelope, fresh_id, now};
use crate::service::{Service, TOPICS};
use crate::settings::Settings;

/// Runs until the process is told to stop.
pub(crate) async fn run(settings: Settings, store: Store) -> anyhow::Result<()> {
    let health = format!("system/health/{}", settings.client_id);
    let will = health_payload(&settings, false, "offline")?;
    let will = LastWill::new(&health, will, QoS::AtLeastOnce, true);
    let (connection, events) = Connection::prepare(&settings, will);
    let (sender, deliveries) = mpsc::unbounded_channel();
    let mut pumping = tokio::spawn(pump(connection.clone(), events, sender, settings.clone()));
    let beating = tokio::spawn(beat(connection.clone(), settings.clone()));
    let service = Service {
        connection: connection.clone(),
        store: store.clone(),
        source: settings.source.clone(),
        duplicates: Duplicates::default(),
    };
    let (stop, stopped) = oneshot::channel();
    let handling = tokio::spawn(service.run(deliveries, stopped));

    tokio::select! {
        ended = &mut pumping => return ended?.and_then(|()| bail!("the connection has ended")),
        failed = keep_ready(&connection, &settings, &store) => return failed,
        signal = told_to_stop() => tracing::info!("{}: stopping", signal?),
    }
    beating.abort();
    let goodbye = async {
        drop(stop);
        handling.await?;
        let shutdown = health_payload(&settings, false, "shutdown")?;
        connection.publish(&health, shutdown, true).await?;
        connection.disconnect().await;
        pumping.await?
    };
    tokio::select! {
        said = timeout(settings.shutdown_timeout, goodbye) => {
            said.unwrap_or_else(|_| bail!("the broker was not there to say goodbye to"))
        }
        signal = told_to_stop() => bail!("{} again: ending at once", signal?),
    }
}

#[cfg(unix)]
async fn told_to_stop() -> std::io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> std::io::Result<&'static str> {
    tokio::signal::ctrl_c().await.map(|()| "Ctrl-C")
}

/// Subscribes whenever the broker does not know us, and says that all is well.
async fn keep_ready(
    connection: &Connection,
    settings: &Settings,
    store: &Store,
) -> anyhow::Result<()> {
    let health = format!("system/health/{}", settings.client_id);
    let mut link = connection.link();
    let mut first = true;
    loop {
        let current_link = connected(&mut link).await?;
        if !current_link.is_subscribed() {
            connection.subscribe(&TOPICS).await?;
            if !link.borrow().is_subscribed() {
                continue;
            }
        }
        if first {
            let current = store.character().await?;
            let event_type = "system.character.current";
            let current = Envelope::seal(event_type, &fresh_id(), &settings.source, &current)?;
            connection.publish("system/character/current", current, true).await?;
        }
        let event = if first { "ready" } else { "reconnected" };
        connection.publish(&health, health_payload(settings, true, event)?, true).await?;
        first = false;
        disconnected(&mut link, current_link).await?;
    }
}

/// Shows that the service lives.
async fn beat(connection: Connection, settings: Settings) {
    let topic = format!("system/keepalive/{}", settings.client_id);
    let mut clock = interval(settings.heartbeat);
    loop {
        clock.tick().await;
        let beat = json!({ "ok": true, "event": "heartbeat", "timestamp": now() });
        connection.try_publish(&topic, beat.to_string().into_bytes());
    }
}

fn health_payload(settings: &Settings, ok: bool, event: &str) -> anyhow::Result<Vec<u8>> {
    let health = json!({
        "message_id": fresh_id(), "ok": ok, "event": event, "err": null, "timestamp": now(),
    });
    Envelope::seal("health.status", &fresh_id(), &settings.source, &health)
}
