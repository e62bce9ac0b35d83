//! What a service says of itself, in every order: see `delivery/models`.

use std::sync::Arc;

use loom::future::block_on;
use loom::model::Builder;
use loom::thread;

use super::{HealthReport, HealthSlot};
use crate::delivery::Wake;

fn report(number: usize) -> HealthReport {
    HealthReport::event(true, &number.to_string())
}

#[test]
fn the_newest_report_is_never_lost() {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(4));
    builder.check(|| {
        let (slot, wake) = (Arc::new(HealthSlot::default()), Arc::<Wake>::default());
        let service = thread::spawn({
            let (slot, wake) = (slot.clone(), wake.clone());
            move || {
                for number in 0..3 {
                    slot.set(report(number));
                    wake.wake();
                }
            }
        });
        let mut last = None;
        while last != Some(report(2)) {
            let taken = slot.take();
            if taken.is_some() {
                last = taken;
            } else {
                block_on(wake.woken());
            }
        }
        service.join().unwrap();
        assert_eq!(slot.take(), None);
    });
}

#[test]
fn a_report_is_taken_whoever_says_it_last() {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(4));
    builder.check(|| {
        let slot = Arc::new(HealthSlot::default());
        let services = [0, 1].map(|number| {
            let slot = slot.clone();
            thread::spawn(move || slot.set(report(number)))
        });
        let during = slot.take();
        for service in services {
            service.join().unwrap();
        }
        let after = slot.take();
        assert!(during.is_some() || after.is_some());
        assert!(during.is_none() || during != after, "taken twice");
        assert_eq!(slot.take(), None);
    });
}
