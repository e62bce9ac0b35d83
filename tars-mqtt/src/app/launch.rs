use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, watch};

use super::ending::Ending;
use super::lifeline::Lifeline;
use super::running::{Running, Service};
use super::{App, plan};
use crate::Result;
use crate::connection::{NewTarget, Plan, Task};
use crate::delivery::{Dedupe, Queue};
use crate::extract::{SHARE, Scope};
use crate::handler::{AckMode, Limits, Neighbours, Retained, Worker};
use crate::log::LogLimit;
use crate::transport::Dialer;

impl App {
    /// Starts to connect, with all handlers waiting for messages.
    #[cfg_attr(
        not(feature = "embedded-broker"),
        expect(clippy::unused_async, reason = "a broker takes time to start")
    )]
    pub(super) async fn launch(self) -> Result<Running> {
        let config = self.config;
        config.validate()?;
        for warning in config.warnings() {
            tracing::warn!("{warning}");
        }
        plan::check(&self.handlers, &self.states)?;
        plan::announce(&self.handlers);
        #[cfg(feature = "embedded-broker")]
        let broker = if config.wants_embedded_broker() {
            embedded_broker(config.url()).await?
        } else {
            None
        };
        let dialer = match self.dialer {
            Some(dialer) => dialer,
            None => Dialer::new(&config)?,
        };
        let (dedupe, key) = (config.dedupe_window(), config.duplicates_compared_by());
        let (client, mut task) = Task::prepare(config, dialer);
        if let Some(tracker) = self.tracker {
            task.track_all(tracker);
        }
        let states = Arc::new(self.states);
        let (stopping_sender, stopping) = watch::channel(false);
        let mut plans = Vec::new();
        let mut queues = Vec::new();
        let mut workers = Vec::new();
        for handler in &self.handlers {
            let spec = handler.spec;
            let (filter, subscription) = plan::filters(spec)?;
            let wake = client.0.wake.clone();
            let queue = Arc::new(Queue::new(spec.options.queue, spec.options.overflow, wake));
            let worker = Arc::new(Worker {
                scope: Arc::new(Scope {
                    spec,
                    client: client.clone(),
                    states: states.clone(),
                    share: Arc::new(Semaphore::new(SHARE)),
                    dropped_replies: LogLimit::default(),
                }),
                queue: queue.clone(),
                dedupe: dedupe.map(|(ttl, max_entries)| Dedupe::new(ttl, max_entries, key)),
                limits: Limits::default(),
                neighbours: Neighbours::of(spec, self.handlers.iter().map(|other| other.spec)),
                retained: Retained::default(),
                stopping: stopping.clone(),
            });
            for _ in 0..spec.options.concurrency {
                workers.push((handler.spawn)(worker.clone()));
            }
            queues.push(queue.clone());
            plans.push(Plan {
                target: NewTarget {
                    name: spec.place(),
                    filter,
                    queue,
                    workers: spec.options.concurrency,
                    done_on_receive: spec.options.ack == AckMode::OnReceive,
                },
                subscription,
                qos: spec.qos(),
            });
        }
        let ending = Arc::new(Ending::new(queues, stopping_sender, workers));
        // A client is launched once.
        let _ = client.0.ending.set(ending.clone());
        let started = task.spawn(plans);
        let lifeline = Lifeline::hold(client.0.wake.clone());
        Ok(Running::new(Service {
            client,
            ending,
            started: Some(started),
            on_ready: Mutex::new(self.on_ready),
            _lifeline: lifeline,
            #[cfg(feature = "embedded-broker")]
            broker,
        }))
    }
}

/// For a service that was told of no broker: one in this process, or the one that another such
/// service has started.
#[cfg(feature = "embedded-broker")]
async fn embedded_broker(
    url: &crate::config::BrokerUrl,
) -> Result<Option<crate::broker::EmbeddedBroker>> {
    let address = format!("{}:{}", url.bracketed_host(), url.port());
    if tokio::net::TcpStream::connect(&address).await.is_ok() {
        tracing::warn!("MQTT_URL is not set: joining the broker on {address}");
        return Ok(None);
    }
    let broker = crate::broker::EmbeddedBroker::start(&address).await?;
    tracing::warn!("MQTT_URL is not set: started a broker in this process, on {address}");
    Ok(Some(broker))
}
