use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, watch};

use super::ending::Ending;
use super::lifeline::Lifeline;
use super::running::{Running, Service};
use super::{App, plan};
use crate::client::Client;
use crate::delivery::{Dedupe, Queue};
use crate::error::Result;
use crate::extract::{SHARE, Scope};
use crate::handler::{Limits, Neighbours, Retained, Worker};
use crate::log::LogLimit;
use crate::net::Network;
use crate::net::dial::Dialer;
use crate::session::{NewTarget, Plan};
use crate::spec::AckMode;

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
        let broker = super::meeting::broker(&config).await?;
        let dialer: Arc<dyn Dialer> = match self.dialer {
            Some(dialer) => dialer,
            #[cfg(feature = "embedded-broker")]
            None if broker.is_some() => Arc::new(Network::to_own_broker(&config)?),
            None => Arc::new(Network::prepare(&config)?),
        };
        let may_isolate = dialer.takes_several();
        let (dedupe, key) = (config.dedupe_window(), config.duplicates_compared_by());
        let (client, mut driver) = Client::prepare(config.clone(), dialer.clone(), true);
        let states = Arc::new(self.states);
        let (stopping_sender, stopping) = watch::channel(false);
        let mut plans = Vec::new();
        let mut queues = Vec::new();
        let mut workers = Vec::new();
        let mut isolated = Vec::new();
        let mut starting = Vec::new();
        for handler in &self.handlers {
            let spec = handler.spec;
            let (filter, subscription) = plan::filters(spec)?;
            let own = (spec.options.isolated && may_isolate)
                .then(|| Client::prepare(config.isolated(spec.name), dialer.clone(), true));
            let wake = own.as_ref().map_or(&client, |(own, _)| own).0.wake.clone();
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
            let plan = Plan {
                target: NewTarget {
                    name: spec.place(),
                    filter,
                    queue,
                    workers: spec.options.concurrency,
                    done_on_receive: spec.options.ack == AckMode::OnReceive,
                    qos: spec.qos(),
                    stream: None,
                    gets_all: spec.options.group.is_none(),
                },
                subscription,
                qos: spec.qos(),
            };
            match own {
                Some((own, mut other)) => {
                    driver.session.depend_on(&mut other.session);
                    starting.push(other.session.start(vec![plan]));
                    other.spawn();
                    isolated.push(own);
                }
                None => plans.push(plan),
            }
        }
        let ending = Arc::new(Ending::new(queues, stopping_sender, workers, isolated));
        // A client is launched once.
        let _ = client.0.service.set(ending.clone());
        starting.push(driver.session.start(plans));
        driver.spawn();
        let lifeline = Lifeline::hold(client.0.wake.clone());
        Ok(Running::new(Service {
            client,
            ending,
            starting,
            on_ready: Mutex::new(self.on_ready),
            _lifeline: lifeline,
            #[cfg(feature = "embedded-broker")]
            broker,
        }))
    }
}
