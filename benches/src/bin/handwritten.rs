//! What the quickstart does, written by hand on rumqttc: it answers requests with their own id and each
//! of them once, tells of its health, connects again after an outage, and ends in order. For a
//! comparison of how long it takes to compile, and of its size; it keeps fewer promises than the
//! framework does, and knows two of its settings.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, Publish, QoS,
};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Serialize, Deserialize)]
struct LlmRequest {
    id: String,
    text: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct LlmResponse {
    id: String,
    reply: String,
}

#[derive(Debug, Serialize)]
struct Health {
    ok: bool,
    event: &'static str,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<T> {
    id: String,
    r#type: String,
    ts: f64,
    source: String,
    data: T,
}

/// Reads the settings, connects, and answers until a signal comes.
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().init();
    let Settings { url, client_id } = Settings::read()?;
    let address = url.strip_prefix("mqtt://").context("MQTT_URL does not begin with mqtt://")?;
    let (host, port) = address.split_once(':').unwrap_or((address, "1883"));
    let mut options = MqttOptions::new(&client_id, host, port.parse()?);
    options.set_clean_session(false).set_manual_acks(true);
    options.set_keep_alive(Duration::from_secs(30)).set_max_packet_size(1 << 20, 1 << 20);
    let topic = format!("system/health/{client_id}");
    let offline =
        encode(&client_id, "health.status", &new_id(), Health { ok: false, event: "offline" })?;
    options.set_last_will(LastWill::new(&topic, offline, QoS::AtLeastOnce, true));
    let (client, mut eventloop) = AsyncClient::new(options, 64);
    eventloop.network_options.set_tcp_nodelay(true);
    let service = Arc::new(Service { client, client_id, topic, seen: Mutex::default() });
    let mut running = {
        let service = service.clone();
        tokio::spawn(async move { service.run(eventloop).await })
    };
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        ended = &mut running => return ended?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    service.health(false, "shutdown")?;
    service.client.disconnect().await?;
    // Whoever asked for the end does not wait for a broker that is gone.
    tokio::time::timeout(Duration::from_secs(5), running).await??
}

struct Settings {
    url: String,
    client_id: String,
}

impl Settings {
    /// From the environment, else from the configuration file.
    fn read() -> anyhow::Result<Self> {
        #[cfg(feature = "config-file")]
        let file = File::read()?.mqtt;
        #[cfg(not(feature = "config-file"))]
        let file = Table::default();
        let url = std::env::var("MQTT_URL").ok().or(file.url);
        let client_id = std::env::var("MQTT_CLIENT_ID").ok().or(file.client_id);
        Ok(Self {
            url: url.context("MQTT_URL is not set")?,
            client_id: client_id.context("MQTT_CLIENT_ID is not set")?,
        })
    }
}

#[derive(Default)]
#[cfg_attr(feature = "config-file", derive(Deserialize))]
struct Table {
    url: Option<String>,
    client_id: Option<String>,
}

#[cfg(feature = "config-file")]
#[derive(Default, Deserialize)]
struct File {
    mqtt: Table,
}

#[cfg(feature = "config-file")]
impl File {
    fn read() -> anyhow::Result<Self> {
        let Ok(path) = std::env::var("TARS_MQTT_CONFIG") else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
        toml::from_str(&text).context(path)
    }
}

struct Service {
    client: AsyncClient,
    client_id: String,
    topic: String,
    seen: Mutex<Seen>,
}

/// Requests that have been answered lately.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    since: HashMap<u64, Instant>,
    in_order: VecDeque<u64>,
}

impl Seen {
    fn is_new(&mut self, request: &Envelope<LlmRequest>) -> bool {
        let data = (&request.data.id, &request.data.text);
        let key = self.hasher.hash_one((&request.r#type, &request.id, data));
        let now = Instant::now();
        while let Some(first) = self.in_order.front()
            && (self.in_order.len() > 2048
                || self.since.get(first).is_none_or(|at| now - *at > Duration::from_secs(30)))
        {
            self.since.remove(first);
            self.in_order.pop_front();
        }
        let is_new = self.since.insert(key, now).is_none();
        if is_new {
            self.in_order.push_back(key);
        }
        is_new
    }
}

impl Service {
    async fn run(&self, mut eventloop: EventLoop) -> anyhow::Result<()> {
        let mut pause = Duration::from_millis(500);
        loop {
            match eventloop.poll().await {
                Ok(event) => {
                    pause = Duration::from_millis(500);
                    if self.event(event)? {
                        return Ok(());
                    }
                }
                Err(ConnectionError::ConnectionRefused(code)) => bail!("refused: {code:?}"),
                Err(error) => {
                    tracing::warn!("connecting again in {pause:?}: {error}");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                }
            }
        }
    }

    /// Returns whether the goodbye has been said.
    fn event(&self, event: Event) -> anyhow::Result<bool> {
        match event {
            Event::Incoming(Packet::ConnAck(_)) => {
                self.client.try_subscribe("llm/request", QoS::AtLeastOnce)?;
            }
            Event::Incoming(Packet::SubAck(_)) => self.health(true, "ready")?,
            Event::Incoming(Packet::Publish(publish)) => {
                if let Err(error) = self.answer(&publish) {
                    tracing::warn!(topic = publish.topic, "a message was refused: {error}");
                }
                self.client.try_ack(&publish)?;
            }
            Event::Outgoing(rumqttc::Outgoing::Disconnect) => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    fn answer(&self, publish: &Publish) -> anyhow::Result<()> {
        let request: Envelope<LlmRequest> = serde_json::from_slice(&publish.payload)?;
        if request.r#type != "llm.request" {
            bail!("an event of type {}", request.r#type);
        }
        if !self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_new(&request) {
            return Ok(());
        }
        let response = LlmResponse { id: request.data.id, reply: request.data.text.to_uppercase() };
        let payload = encode(&self.client_id, "llm.response", &request.id, response)?;
        Ok(self.client.try_publish("llm/response", QoS::AtLeastOnce, false, payload)?)
    }

    fn health(&self, ok: bool, event: &'static str) -> anyhow::Result<()> {
        let payload = encode(&self.client_id, "health.status", &new_id(), Health { ok, event })?;
        Ok(self.client.try_publish(&self.topic, QoS::AtLeastOnce, true, payload)?)
    }
}

fn encode<T: Serialize>(source: &str, event: &str, id: &str, data: T) -> anyhow::Result<Vec<u8>> {
    let ts = std::time::UNIX_EPOCH.elapsed()?.as_secs_f64();
    let (id, source) = (id.to_owned(), source.to_owned());
    Ok(serde_json::to_vec(&Envelope { id, r#type: event.to_owned(), ts, source, data })?)
}

fn new_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}
