use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::{mpsc, watch};

use super::{Client, Shared};
use crate::config::Config;
use crate::delivery::{Outbox, Wake};
use crate::driver::Driver;
use crate::net::dial::Dialer;
use crate::session::{ConnectionState, HealthSlot, Ports};
use crate::wire::TrafficTap;

impl Client {
    /// A client and what drives its connection, which is made once that is spawned.
    pub(crate) fn prepare(
        config: Config,
        dialer: Arc<dyn Dialer>,
        has_handlers: bool,
    ) -> (Self, Driver) {
        let config = Arc::new(config);
        let wake = Arc::new(Wake::default());
        let outbox = Arc::new(Outbox::new(wake.clone()));
        let (commands_sender, commands) = mpsc::unbounded_channel();
        let (state, state_receiver) = watch::channel(ConnectionState::Connecting);
        let tap = TrafficTap::default();
        let aborted = Arc::new(AtomicBool::new(false));
        let health = Arc::new(HealthSlot::default());
        let client = Self(Arc::new(Shared {
            config: config.clone(),
            aborted: aborted.clone(),
            health: health.clone(),
            has_handlers,
            streams: AtomicU64::new(0),
            outbox: outbox.clone(),
            wake: wake.clone(),
            commands: commands_sender,
            state: state_receiver,
            tap: tap.clone(),
            service: OnceLock::new(),
            answers: Mutex::default(),
        }));
        let ports = Ports { outbox, wake, state, health };
        let driver = Driver::new(config, ports, dialer, tap, commands, aborted);
        (client, driver)
    }
}
