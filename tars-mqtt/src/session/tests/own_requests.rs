//! Handlers that wait for an answer of another handler of their own service, which comes through the
//! broker's window, as their own messages do.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::bench::{Bench, config, empty, millis, seconds};
use crate::delivery::Hold;
use crate::message::Message;
use crate::qos::QoS;
use crate::session::Command;

/// What a broker has for a client, of which only so many may be under way.
struct Broker {
    window: usize,
    waiting: VecDeque<String>,
    under_way: Vec<u16>,
    last_id: u16,
}

impl Broker {
    /// Takes in what was written: messages come back, and acknowledgements make room.
    fn take_in(&mut self, written: Vec<String>) {
        for packet in written {
            if let Some(topic) = packet.strip_prefix("PUBLISH ") {
                self.waiting.push_back(topic.to_owned());
            } else if let Some(id) = packet.strip_prefix("PUBACK ") {
                let id: u16 = id.parse().unwrap();
                assert_eq!(self.under_way.first(), Some(&id), "acknowledged in order");
                self.under_way.remove(0);
            }
        }
    }

    fn deliver(&mut self, bench: &mut Bench) {
        while self.under_way.len() < self.window
            && let Some(topic) = self.waiting.pop_front()
        {
            self.last_id += 1;
            self.under_way.push(self.last_id);
            let written = bench.deliver(&topic, "x", self.last_id);
            self.take_in(written);
        }
    }
}

/// Handles so many jobs, each of which waits for an answer to `ask/<number>`. Returns how long that
/// took, and how often each was asked.
fn handle_jobs(asked: &str, window: usize, jobs: usize) -> (Duration, HashMap<String, usize>) {
    let mut bench =
        Bench::connected(config(), &[("job/+", QoS::AtLeastOnce), (asked, QoS::AtLeastOnce)]);
    let waiting = (0..jobs).map(|number| format!("job/{number}")).collect();
    let mut broker = Broker { window, waiting, under_way: Vec::new(), last_id: 0 };
    let mut at_work: HashMap<String, (Option<Hold>, Arc<()>)> = HashMap::new();
    let mut answered: HashMap<String, usize> = HashMap::new();
    let begun = bench.now;
    while !(broker.waiting.is_empty() && broker.under_way.is_empty()) {
        assert!(bench.now - begun < seconds(600), "it stands still");
        broker.deliver(&mut bench);
        while let Some((message, hold)) = bench.take(0) {
            let ask = message.topic().replace("job", "ask");
            let wanted = Arc::new(());
            let message =
                Message { topic: ask.as_str().into(), payload: b"x"[..].into(), ..empty() };
            let command = Command::OwnRequest { message, wanted: Arc::downgrade(&wanted) };
            bench.session.command(bench.now, command);
            bench.publish(&ask, QoS::AtLeastOnce, None);
            at_work.insert(ask, (hold, wanted));
        }
        let mut written = bench.turn();
        written.extend(bench.answer("PUBLISH"));
        while let Some((message, hold)) = bench.take(1) {
            hold.into_iter().for_each(Hold::release);
            *answered.entry(message.topic().to_owned()).or_default() += 1;
            if let Some((hold, _)) = at_work.remove(message.topic()) {
                hold.into_iter().for_each(Hold::release);
            }
        }
        written.extend(bench.pass(millis(10)));
        broker.take_in(written);
    }
    (bench.now - begun, answered)
}

fn each_once(answered: &HashMap<String, usize>, jobs: usize) {
    assert!(answered.len() == jobs && answered.values().all(|&count| count == 1), "{answered:?}");
}

#[test]
fn a_request_that_the_window_holds_back_is_handed_to_the_handler_of_the_same_service() {
    for window in [1, 2, 20] {
        let (taken, answered) = handle_jobs("ask/+", window, 30);
        each_once(&answered, 30);
        // So many wait at the same time, for 200 ms.
        let rounds = u32::try_from(30_usize.div_ceil(window)).unwrap();
        let bounds = (millis(200) * rounds, millis(250) * rounds + millis(100));
        assert!(bounds.0 <= taken && taken <= bounds.1, "{taken:?} with a window of {window}");
    }
}

#[test]
fn a_request_that_the_broker_sends_back_in_time_is_not_handed_over() {
    let (taken, answered) = handle_jobs("ask/+", 100, 30);
    each_once(&answered, 30);
    assert!(taken < millis(200), "{taken:?}");
}

#[test]
fn a_service_whose_handler_asks_a_group_that_it_belongs_to_needs_no_window() {
    // Another member may be at work on it, for which it is given two seconds.
    let (taken, answered) = handle_jobs("$share/answerers/ask/+", 2, 4);
    each_once(&answered, 4);
    assert!(seconds(4) <= taken && taken <= seconds(5), "{taken:?}");
}
