//! From one connection to the next.

use tokio::sync::oneshot;

use super::bench::{Bench, config, empty, just_before, millis, seconds};
use crate::error::Error;
use crate::message::Message;
use crate::qos::QoS;
use crate::session::{Command, ConnectionState, Wants};
use crate::wire::Packet;

const BOTH: [(&str, QoS); 2] = [("one", QoS::AtLeastOnce), ("two/#", QoS::AtLeastOnce)];

#[test]
fn a_subscription_that_is_not_answered_makes_the_connection_anew() {
    let mut bench = Bench::new(config(), &BOTH);
    assert_eq!(bench.connect(false), ["SUBSCRIBE one two/#"]);
    assert!(bench.pass(just_before(seconds(10))).is_empty());
    assert_eq!(bench.session.wants(), Wants::Serve);
    assert!(bench.pass(millis(1)).is_empty());
    assert_eq!(bench.session.wants(), Wants::Pause);
    assert!(bench.started.try_recv().is_err(), "it goes on trying");
    bench.wait_to_dial();
    assert_eq!(bench.connect(false), ["SUBSCRIBE one two/#"]);
    bench.answer("SUBSCRIBE");
    assert!(matches!(bench.started.try_recv(), Ok(Ok(()))));
}

#[test]
fn a_filter_that_is_not_given_up_in_time_makes_the_connection_anew() {
    let mut bench = Bench::connected(config(), &BOTH);
    let (stream, _granted) = bench.subscribe("stream");
    assert_eq!(bench.turn(), ["SUBSCRIBE stream"]);
    bench.answer("SUBSCRIBE");
    drop(stream);
    bench.session.command(bench.now, Command::Unsubscribe { stream: 0 });
    assert_eq!(bench.turn(), ["UNSUBSCRIBE stream"]);
    bench.pass(just_before(seconds(10)));
    assert_eq!(bench.session.wants(), Wants::Serve);
    bench.pass(millis(1));
    assert_eq!(bench.session.wants(), Wants::Pause);
    bench.wait_to_dial();
    assert_eq!(bench.connect(true), ["UNSUBSCRIBE stream"]);
}

#[test]
fn connections_that_break_before_anything_is_granted_keep_no_service_from_starting() {
    for (lasts, breaks) in [0, 200, 1_900]
        .into_iter()
        .flat_map(|lasts| (0..20).map(move |breaks| (millis(lasts), breaks)))
    {
        let mut bench = Bench::new(config(), &[("cut/short", QoS::AtLeastOnce)]);
        for _ in 0..breaks {
            bench.connect(false);
            // On some the filter is left out, to see whether it is what they break for.
            bench.pass(lasts);
            bench.lose();
            bench.wait_to_dial();
            assert!(bench.started.try_recv().is_err(), "{lasts:?}, {breaks}");
        }
        bench.connect(false);
        while bench.answer("SUBSCRIBE cut/short").is_empty()
            && *bench.state.borrow() != ConnectionState::Connected
        {
            // Left out on this one.
            bench.lose();
            bench.wait_to_dial();
            bench.connect(false);
        }
        assert!(matches!(bench.started.try_recv(), Ok(Ok(()))), "{lasts:?}, {breaks}");
    }
}

#[test]
fn a_filter_for_which_the_broker_closes_connections_is_an_error_at_start_once_one_holds_without_it()
{
    let mut bench = Bench::new(config(), &[("bad", QoS::AtLeastOnce)]);
    for _ in 0..3 {
        assert_eq!(bench.connect(false), ["SUBSCRIBE bad"]);
        bench.lose();
        bench.wait_to_dial();
    }
    assert!(bench.connect(false).is_empty());
    bench.pass(just_before(seconds(2)));
    assert!(bench.started.try_recv().is_err(), "the connection may break without it");
    bench.pass(millis(1));
    let outcome = bench.started.try_recv();
    assert!(
        matches!(&outcome, Ok(Err(Error::SubscriptionRefused { filter, .. })) if filter == "bad"),
        "{outcome:?}"
    );
    assert_eq!(bench.session.wants(), Wants::Stop);
}

#[test]
fn a_broker_that_closes_every_connection_is_asked_ever_more_seldom() {
    let config = config().reconnect_delay(millis(100), seconds(60));
    let mut bench = Bench::new(config, &[]);
    let mut longest = millis(200);
    let mut total = millis(0);
    for _ in 0..30 {
        // Accepted and healthy, and closed at once.
        bench.connect(false);
        assert_eq!(*bench.state.borrow(), ConnectionState::Connected);
        bench.lose();
        let pause = bench.wait_to_dial();
        assert!(pause >= millis(100) && pause <= longest, "{pause:?} of {longest:?}");
        longest = (longest * 2).min(seconds(60));
        total += pause;
    }
    // Without growth all together would be below 6 s. With it, the last twenty are half a minute each
    // on average.
    assert!(total > seconds(60), "{total:?}");
    total = millis(0);
    for _ in 0..20 {
        bench.connect(false);
        bench.pass(just_before(seconds(10)));
        bench.lose();
        total += bench.wait_to_dial();
    }
    assert!(total > seconds(60), "{total:?}");
    bench.connect(false);
    bench.pass(seconds(10));
    bench.lose();
    assert!(bench.wait_to_dial() <= millis(200), "the connection was good");
}

#[test]
fn a_link_that_has_died_in_silence_is_noticed_and_made_anew() {
    let mut bench = Bench::connected(config().heartbeat(Some(seconds(1))), &[]);
    // Heartbeats and a ping are taken, and nothing is said.
    let written = bench.pass(just_before(seconds(3)));
    assert_eq!(written, ["PINGREQ", "heartbeat", "heartbeat"]);
    assert_eq!(bench.session.wants(), Wants::Serve);
    bench.pass(millis(1));
    assert_eq!(bench.session.wants(), Wants::Pause);
    assert_eq!(*bench.state.borrow(), ConnectionState::Disconnected);
    bench.wait_to_dial();
    assert_eq!(*bench.state.borrow(), ConnectionState::Connecting);
    bench.connect(true);
    assert_eq!(*bench.state.borrow(), ConnectionState::Connected);
}

#[test]
fn a_link_that_is_quiet_and_alive_is_kept() {
    for heartbeat in [None, Some(seconds(1))] {
        let config = config().keep_alive(seconds(20)).heartbeat(heartbeat);
        let mut bench = Bench::connected(config, &[]);
        let (mut pings, mut beats) = (0, 0);
        for _ in 0..6_000 {
            let written = bench.pass(millis(100));
            pings += written.iter().filter(|packet| *packet == "PINGREQ").count();
            beats += written.iter().filter(|packet| *packet == "heartbeat").count();
            bench.answer("PINGREQ");
            assert_eq!(bench.session.wants(), Wants::Serve);
        }
        match heartbeat {
            None => assert_eq!((pings, beats), (40, 0), "every 15 s in ten minutes"),
            Some(_) => assert!(pings > 500 && beats > 590, "{pings} {beats}"),
        }
    }
}

#[test]
fn filters_are_sent_again_where_the_broker_has_lost_the_session_or_if_told_so() {
    for always in [false, true] {
        let mut bench = Bench::connected(config().resubscribe(always), &BOTH);
        let (_stream, _granted) = bench.subscribe("stream");
        bench.turn();
        bench.answer("SUBSCRIBE");
        for session_present in [true, false, true] {
            bench.lose();
            bench.wait_to_dial();
            let written = bench.connect(session_present);
            if always || !session_present {
                assert_eq!(written, ["SUBSCRIBE one two/# stream"]);
            } else {
                assert!(written.is_empty(), "{written:?}");
            }
            bench.answer("SUBSCRIBE");
            assert_eq!(*bench.state.borrow(), ConnectionState::Connected);
        }
    }
}

#[test]
fn what_belongs_to_a_connection_goes_with_it() {
    let mut bench = Bench::connected(config(), &BOTH);
    // All of this has come, and nothing has been done about it.
    bench.session.receive(bench.now, Packet::PubRel(9.into()));
    let message = Message { topic: "one".into(), qos: QoS::AtMostOnce, ..empty() };
    bench.session.receive(bench.now, Packet::Publish { id: 0, message });
    let (done, mut sent) = oneshot::channel();
    let packet = rumqttc::Packet::PingReq.into();
    bench.session.command(bench.now, Command::Send { packet, done });
    bench.lose();
    assert!(matches!(sent.try_recv(), Ok(Ok(()))), "nobody is left waiting");
    assert!(bench.take(0).is_some(), "what came is handled all the same");
    bench.wait_to_dial();
    assert!(bench.connect(true).is_empty(), "the answer is one to another connection");
}
