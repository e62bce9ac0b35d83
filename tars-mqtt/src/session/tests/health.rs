//! What is said of the service, and when it may not be said.

use super::bench::{Bench, config, seconds};
use crate::qos::QoS;
use crate::session::{ConnectionState, Wants};

const WORK: [(&str, QoS); 1] = [("work", QoS::AtLeastOnce)];

#[test]
fn nothing_is_called_healthy_before_every_subscription_is_acknowledged() {
    let config = config().health(true).heartbeat(Some(seconds(1)));
    let filters = [("one", QoS::AtLeastOnce), ("two/#", QoS::AtLeastOnce)];
    let mut bench = Bench::new(config, &filters);
    assert_eq!(bench.connect(false), ["SUBSCRIBE one two/#"]);
    // Longer than the interval of the heartbeat, which must not come.
    for _ in 0..9 {
        assert_eq!(bench.pass(seconds(1)), ["PINGREQ"]);
        bench.answer("PINGREQ");
    }
    assert!(bench.started.try_recv().is_err());
    assert_eq!(*bench.state.borrow(), ConnectionState::Connecting);
    assert_eq!(bench.answer("SUBSCRIBE"), ["heartbeat", "well: ready"]);
    assert!(matches!(bench.started.try_recv(), Ok(Ok(()))));
    assert_eq!(*bench.state.borrow(), ConnectionState::Connected);
}

#[test]
fn nothing_is_said_before_the_broker_has_agreed_and_then_the_last() {
    let mut bench = Bench::new(config().health(true), &WORK);
    assert_eq!(bench.connect(false), ["SUBSCRIBE work"]);
    bench.say(true, "too early");
    assert!(bench.pass(seconds(9)).is_empty());
    assert!(bench.started.try_recv().is_err(), "what is to run when it is ready does not");
    assert_eq!(bench.answer("SUBSCRIBE"), ["well: too early"]);
    bench.answer("well");
    bench.lose();
    for index in 0..1_000 {
        bench.say(true, &format!("report {index}"));
        bench.turn();
    }
    bench.wait_to_dial();
    assert_eq!(bench.connect(false), ["SUBSCRIBE work"]);
    assert_eq!(bench.answer("SUBSCRIBE"), ["well: report 999"]);
    bench.answer("well");
    assert!(bench.pass(seconds(30)).is_empty(), "once is enough");
}

#[test]
fn while_a_filter_is_refused_a_service_is_not_well_whatever_it_says() {
    let mut bench = Bench::new(config().health(true), &WORK);
    bench.connect(false);
    assert_eq!(bench.answer("SUBSCRIBE"), ["well: ready"]);
    bench.answer("well");
    bench.lose();
    bench.wait_to_dial();
    bench.connect(false);
    let [said] = &bench.refuse()[..] else { panic!("it is said once") };
    assert!(said.starts_with("not well: ") && said.contains("`work`"), "{said}");
    bench.answer("not well");
    bench.say(true, "database is back");
    let [said] = &bench.turn()[..] else { panic!("it is said once") };
    assert!(said.starts_with("not well: database is back") && said.contains("`work`"), "{said}");
    bench.answer("not well");
    assert_ne!(*bench.state.borrow(), ConnectionState::Connected);
    // The connection is kept, and the filter asked for again.
    assert_eq!(bench.pass(seconds(30)), ["SUBSCRIBE work"]);
    assert_eq!(bench.answer("SUBSCRIBE"), ["well: reconnected"]);
    assert_eq!(*bench.state.borrow(), ConnectionState::Connected);
}

#[test]
fn health_that_cannot_be_sent_does_not_hold_up_the_end() {
    let mut bench = Bench::connected(config().health(true), &[]);
    bench.answer("well");
    bench.lose();
    bench.say(false, "nobody hears it");
    let mut ended = bench.shut_down(seconds(30));
    bench.turn();
    assert_eq!(bench.session.wants(), Wants::Stop);
    bench.session.end(true, Vec::new());
    assert!(matches!(ended.try_recv(), Ok(Ok(()))));
}
