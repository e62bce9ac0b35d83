use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::broker::{Broker, Flight, Out};
use crate::qos::QoS;

/// What a broker has written to its disk.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    has_session: bool,
    subscriptions: BTreeMap<String, QoS>,
    waiting: VecDeque<Out>,
    flights: Vec<Flight>,
    held: BTreeMap<u16, u32>,
    last_id: u16,
    owed: BTreeSet<u32>,
}

impl Broker {
    pub(super) fn store(&mut self) {
        self.stored = Some(Box::new(Stored {
            has_session: self.has_session,
            subscriptions: self.subscriptions.clone(),
            waiting: self.waiting.clone(),
            flights: self.flights.clone(),
            held: self.held.clone(),
            last_id: self.last_id,
            owed: self.owed.clone(),
        }));
    }

    pub(super) fn roll_back(&mut self) {
        let Some(stored) = self.stored.take() else { return };
        self.has_session = stored.has_session;
        // That it lacks a filter which it had granted is known to nobody: `MQTT_RESUBSCRIBE` is for that.
        if !stored.has_session || self.setup.resubscribes {
            self.subscriptions = stored.subscriptions;
        }
        self.waiting = stored.waiting;
        self.flights = stored.flights;
        self.held = stored.held;
        self.last_id = stored.last_id;
        self.owed = stored.owed;
        (self.rolled_back, self.lost_session) = (true, true);
        self.process_ended();
    }
}
