//! The end of a service.

use super::bench::{Bench, config, just_before, millis, seconds};
use crate::error::Error;
use crate::qos::QoS;
use crate::session::{Command, Wants};

#[test]
fn without_a_broker_what_was_accepted_is_waited_for_within_the_timeout() {
    let limit = seconds(1);
    let mut bench = Bench::connected(config().shutdown_timeout(limit), &[]);
    bench.lose();
    let mut receipt = bench.publish("x", QoS::AtLeastOnce, None);
    let mut ended = bench.shut_down(limit);
    bench.pass(just_before(limit));
    assert_ne!(bench.session.wants(), Wants::Stop);
    assert!(ended.try_recv().is_err() && receipt.try_recv().is_err());
    bench.pass(millis(1));
    assert_eq!(bench.session.wants(), Wants::Stop);
    bench.session.end(true, Vec::new());
    assert!(matches!(ended.try_recv(), Ok(Err(Error::Timeout(_)))));
    assert!(matches!(receipt.try_recv(), Ok(Err(Error::Stopped))));
}

#[test]
fn a_broker_that_comes_back_in_time_gets_what_was_accepted_before_the_goodbye() {
    let mut bench = Bench::connected(config(), &[]);
    bench.lose();
    let mut receipt = bench.publish("x", QoS::AtLeastOnce, None);
    let mut ended = bench.shut_down(seconds(30));
    bench.wait_to_dial();
    assert_eq!(bench.connect(true), ["PUBLISH x"]);
    assert_eq!(bench.answer("PUBLISH"), ["DISCONNECT"]);
    assert_eq!(bench.session.wants(), Wants::Stop);
    bench.session.end(true, Vec::new());
    assert!(matches!(ended.try_recv(), Ok(Ok(()))));
    assert!(matches!(receipt.try_recv(), Ok(Ok(()))));
}

#[test]
fn the_goodbye_takes_no_longer_than_the_shutdown_may() {
    let mut bench = Bench::connected(config(), &[]);
    assert_eq!(bench.session.goodbye_limit(bench.now), millis(500));
    let _ended = bench.shut_down(millis(300));
    assert_eq!(bench.session.goodbye_limit(bench.now), millis(300));
    assert_eq!(bench.session.goodbye_limit(bench.now + millis(300)), millis(0));
}

#[test]
fn a_broker_that_acknowledges_nothing_is_left_when_the_time_is_over() {
    let limit = seconds(5);
    let config = config().health(true).shutdown_timeout(limit);
    let mut bench = Bench::connected(config, &[]);
    bench.answer("well");
    let mut receipt = bench.publish("x", QoS::AtLeastOnce, None);
    assert_eq!(bench.turn(), ["PUBLISH x"]);
    let mut ended = bench.shut_down(limit);
    // Half a second is kept for the goodbye.
    assert!(bench.pass(seconds(4) + millis(499)).is_empty());
    assert_eq!(bench.pass(millis(1)), ["not well: shutdown"]);
    // Nobody has heard that: the last will is to tell of the end, and does so without DISCONNECT.
    assert!(bench.pass(millis(500)).is_empty());
    assert_eq!(bench.session.wants(), Wants::Stop);
    bench.session.end(true, Vec::new());
    assert!(matches!(ended.try_recv(), Ok(Err(Error::Timeout(_)))));
    assert!(matches!(receipt.try_recv(), Ok(Err(Error::Stopped))));
}

#[test]
fn messages_that_come_during_the_end_are_left_with_the_broker() {
    let mut bench = Bench::connected(config(), &[("work", QoS::AtLeastOnce)]);
    bench.deliver("work", "one", 1);
    let (_, hold) = bench.take(0).unwrap();
    let mut receipt = bench.publish("reply", QoS::AtLeastOnce, None);
    let mut ended = bench.shut_down(seconds(30));
    assert_eq!(bench.turn(), ["PUBLISH reply"]);
    assert!(bench.deliver("work", "late", 2).is_empty());
    assert!(bench.take(0).is_none());
    hold.unwrap().release();
    assert_eq!(bench.turn(), ["PUBACK 1"]);
    assert_eq!(bench.answer("PUBLISH"), ["DISCONNECT"]);
    bench.session.end(true, Vec::new());
    assert!(matches!(receipt.try_recv(), Ok(Ok(()))));
    assert!(matches!(ended.try_recv(), Ok(Ok(()))));
}

#[test]
fn of_several_deadlines_the_earliest_counts() {
    for limits in [[seconds(30), seconds(1)], [seconds(1), seconds(30)]] {
        let mut bench = Bench::connected(config(), &[]);
        bench.lose();
        let _receipt = bench.publish("x", QoS::AtLeastOnce, None);
        let ended = limits.map(|limit| bench.shut_down(limit));
        bench.pass(just_before(seconds(1)));
        assert_ne!(bench.session.wants(), Wants::Stop);
        bench.pass(millis(1));
        assert_eq!(bench.session.wants(), Wants::Stop);
        bench.session.end(true, Vec::new());
        for mut ended in ended {
            assert!(matches!(ended.try_recv(), Ok(Err(Error::Timeout(_)))));
        }
    }
}

#[test]
fn a_session_that_takes_no_more_still_acknowledges_what_has_come() {
    let mut bench = Bench::connected(config(), &[("work", QoS::AtLeastOnce)]);
    bench.deliver("work", "one", 1);
    let (_, hold) = bench.take(0).unwrap();
    bench.session.command(bench.now, Command::Quiesce);
    assert!(bench.deliver("work", "late", 2).is_empty() && bench.take(0).is_none());
    hold.unwrap().release();
    assert_eq!(bench.turn(), ["PUBACK 1"]);
    assert!(bench.pass(seconds(30)).is_empty());
    assert_eq!(bench.session.wants(), Wants::Serve, "it has not been told to stop");
}

#[test]
fn filters_of_this_process_alone_are_given_up_where_the_broker_keeps_the_session() {
    for clean in [false, true] {
        let config = config().clean_session(clean);
        let mut bench = Bench::connected(config, &[("work", QoS::AtLeastOnce)]);
        let (_stream, _granted) = bench.subscribe("answer");
        bench.turn();
        bench.answer("SUBSCRIBE");
        let _ended = bench.shut_down(seconds(5));
        let expected: &[&str] =
            if clean { &["DISCONNECT"] } else { &["UNSUBSCRIBE answer", "DISCONNECT"] };
        assert_eq!(bench.turn(), expected);
    }
}
