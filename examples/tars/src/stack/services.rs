use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use tars_mqtt::broker::EmbeddedBroker;
use tars_mqtt::config::{DedupeKey, Defaults};
use tars_mqtt::prelude::*;
use tars_mqtt::{Result, Running};
use tokio::sync::mpsc;

use super::terminal::{self, Terminal};
use crate::stt::lines_of;
use crate::vars::Vars;
use crate::{camera, llm, mcp, memory, movement, router, stt, tts, wake, web};

/// All services, with the broker between them and the terminal.
#[derive(Debug)]
pub struct Stack {
    services: Vec<Running>,
    broker: Option<EmbeddedBroker>,
    terminal: Terminal,
}

impl Stack {
    /// Starts them on the broker that `MQTT_URL` names, or else on one of their own: on the usual
    /// port, or on a free one if that is taken.
    ///
    /// # Errors
    ///
    /// When a service does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let broker = match std::env::var_os("MQTT_URL") {
            Some(_) => None,
            None => Some(start_broker().await?),
        };
        if let Some(broker) = &broker {
            println!("All services talk over MQTT on {}.", broker.local_addr());
        }
        let url = broker.as_ref().map(EmbeddedBroker::url);
        let vars = Vars::of_process();
        let (lines, said) = mpsc::unbounded_channel();
        let terminal = Terminal::new(lines);
        let hearing =
            stt::Settings { patience: Duration::ZERO, ..stt::Settings::from_vars(&vars)? };

        let app =
            |client_id: &str| Ok::<_, anyhow::Error>(App::new(config(client_id, url.clone())?));
        let apps = [
            terminal::service(
                App::new(config("tars-terminal", url.clone())?.clean_session(true)),
                terminal.clone(),
            ),
            memory::service(app("tars-memory")?)?,
            mcp::service(app("tars-mcp")?)?,
            llm::service(app("tars-llm")?)?,
            movement::service(app("tars-movement")?)?,
            camera::service(app("tars-camera")?)?,
            tts::service(app("tars-tts")?)?,
            wake::service(app("tars-wake")?)?,
            router::service(app("tars-router")?)?,
            page(app("tars-web")?, web::Settings::from_vars(&vars)?)?,
            stt::with(app("tars-stt")?, hearing, lines_of(said)),
        ];
        let mut services = Vec::with_capacity(apps.len());
        for app in apps {
            services.push(app.start().await?);
        }
        if router::Settings::from_vars(&vars)?.online_announce {
            terminal.announced().await;
        }
        Ok(Self { services, broker, terminal })
    }

    /// Talks to whoever sits at the terminal, until the end of the input and of what is said about
    /// it.
    ///
    /// # Errors
    ///
    /// When a service has stopped.
    pub async fn talk(&self) -> anyhow::Result<()> {
        self.terminal.talk().await
    }

    /// Stops them in order.
    ///
    /// # Errors
    ///
    /// When a service left something unsent.
    pub async fn stop(self) -> Result<()> {
        let mut outcome = Ok(());
        for service in self.services.into_iter().rev() {
            outcome = outcome.and(service.stop().await);
        }
        if let Some(broker) = self.broker {
            broker.stop().await?;
        }
        outcome
    }
}

/// As `#[tars_mqtt::main(client_id = "…", heartbeat = "5s", dedupe_key = "tars")]` has it.
fn config(client_id: &str, url: Option<String>) -> Result<Config> {
    Config::load(Defaults {
        url,
        client_id: Some(client_id.to_owned()),
        health: Some(true),
        heartbeat: Some(Some(Duration::from_secs(5))),
        dedupe: Some(Some(Duration::from_secs(30))),
        dedupe_max_entries: Some(2048),
        dedupe_key: Some(DedupeKey::Tars),
        ..Defaults::default()
    })
}

/// The page, where it is to be served, or on a free port if that is taken.
fn page(app: App, settings: web::Settings) -> anyhow::Result<App> {
    let address = settings.address;
    let listener = TcpListener::bind(address).or_else(|error| {
        println!("The page cannot be on {address} ({error}), so it takes a free port.");
        TcpListener::bind((address.ip(), 0))
    });
    let listener = listener.context("no port can be opened for the page")?;
    println!("The page is on http://{}/.", listener.local_addr()?);
    Ok(web::with(app, settings, listener))
}

async fn start_broker() -> anyhow::Result<EmbeddedBroker> {
    if let Ok(broker) = EmbeddedBroker::start("127.0.0.1:1883").await {
        return Ok(broker);
    }
    println!("Port 1883 is taken, so the broker takes another one.");
    EmbeddedBroker::start("127.0.0.1:0").await.context("no port can be opened for the broker")
}
